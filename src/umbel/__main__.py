"""``python -m umbel`` and the ``umbel`` command."""

from __future__ import annotations

import sys

from umbel.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
