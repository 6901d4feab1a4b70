from __future__ import annotations
def problems(path: str) -> list[str]:
    return []
