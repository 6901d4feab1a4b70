"""Is a ``.pt2`` file nothing but tensors and a graph of torch's own operators?

``torch.export.load`` reads files that are: JSON and raw tensors. But the format also has room
for pickles, compiled libraries, and texts that torch evaluates as Python (sizes and guards),
and the loader takes all of them without asking. This reads the archive first, with the
loader's own parser, and names what is in it beyond data.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

_MEMBERS = re.compile(
    r"models/[^/]+\.json|data/(weights|constants)/[^/]*_config\.json|data/weights/weight_\d+"
    r"|data/constants/tensor_\d+|data/sample_inputs/[^/]+\.pt|extra/.*"
    r"|archive_format|archive_version|byteorder|version|\.data/(version|serialization_id)"
)
_OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|higher_order)\.\w+(\.\w+)?|math\.\w+|torch\.sym_\w+"
    r"|torch\._sym_sqrt|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne"
    r"|lt|le|gt|ge|and_|or_|not_|xor|lshift|rshift|is_|is_not)"
)
_FORBIDDEN_OPERATORS = re.compile(r"torch\.ops\.aten\.(from_file|save|_print|warn).*")
_TREES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None)
_SIZE_WORDS = re.compile(
    "Symbol|Integer|Float|Rational|Add|Mul|Pow|Mod|Max|Min|Eq|Ne|Lt|Le|Gt|Ge|Equality|Unequality"
    "|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|And|Or|Not|true|false|oo|int_oo"
    "|FloorDiv|PythonMod|ModularIndexing|Where|CleanDiv|CeilDiv|CeilToInt|FloorToInt|LShift"
    "|RShift|PowByNatural|FloatPow|FloatTrueDiv|IntTrueDiv|TruncToFloat|TruncToInt|RoundToInt"
    r"|RoundDecimal|ToFloat|Identity|Abs|floor|ceiling|[a-z]{1,4}\d+"
)
_GUARD_WORDS = frozenset(("L", "max", "min", "not", "size", "stride", "storage_offset"))
_SYMBOL = re.compile(r"[a-z]{1,4}\d+")
_PLAIN_SYNTAX = (
    ast.Expression, ast.Call, ast.Name, ast.Constant, ast.keyword, ast.BinOp, ast.UnaryOp,
    ast.BoolOp, ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context,
)  # fmt: skip


class Records(Protocol):
    """The archive as torch's own parser (``PyTorchFileReader``) reads it."""

    def get_all_records(self) -> list[str]: ...
    def get_record(self, name: str) -> bytes: ...


def beyond_data(path: Path, reader: Records, restricted: Callable[[bytes], object]) -> str:
    """What in the archive is more than data, in words for an error; empty if nothing is.

    ``restricted`` reads a torch.save file of tensors only, and raises on any other. Raises
    ValueError, KeyError, TypeError or BadZipFile where the file is no such archive.
    """
    return next(_findings(path, reader, restricted), "")


def _findings(path: Path, reader: Records, restricted: Callable[[bytes], object]) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if len({name.split("/", 1)[0] for name in names}) != 1 or len(set(names)) != len(names):
        yield "members outside its one folder, or twice the same"
    for name in reader.get_all_records():
        if not _MEMBERS.fullmatch(name):
            yield f"a member {name!r}"
        elif name.endswith("_config.json"):
            for payload in json.loads(reader.get_record(name))["config"].values():
                if payload.get("use_pickle", True) or "obj" in payload["path_name"]:
                    yield f"pickled values ({name!r})"
        elif name.startswith("models/"):
            yield from _program(json.loads(reader.get_record(name)))
        elif name.startswith("data/sample_inputs/"):
            yield from _sample_inputs(reader.get_record(name), restricted)


def _sample_inputs(content: bytes, restricted: Callable[[bytes], object]) -> Iterator[str]:
    """torch.export keeps them as a torch.save file; the restricted reader must do."""
    try:
        if content:
            restricted(content)
    except Exception:
        yield "sample inputs that are more than tensors"


def _program(value: Any) -> Iterator[str]:
    """The graph's JSON, all of it: by the names of keys, wherever they stand."""
    if isinstance(value, list):
        for item in value:
            yield from _program(item)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key in ("target", "as_operator") and isinstance(item, str):
            if not _OPERATORS.fullmatch(item) or _FORBIDDEN_OPERATORS.fullmatch(item):
                yield f"an operator {item!r}"
        elif key == "expr_str" and not _is_size(str(item)):
            yield f"a size {item!r}"
        elif key == "guards_code":
            yield from (f"a guard {text!r}" for text in item or () if not _is_guard(str(text)))
        elif key in ("in_spec", "out_spec") and isinstance(item, str):
            yield from _tree(json.loads(item))
        elif key in ("as_custom_obj", "custom_obj_values", "custom_obj") and item:
            yield "objects of other classes"
        else:
            yield from _program(item)


def _tree(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _tree(item)
    elif isinstance(value, dict):
        if value.get("type") not in _TREES or "__enum__" in str(value.get("context")):
            yield f"inputs or outputs of type {value.get('type')!r}"
        yield from _tree(value.get("children_spec"))


def _is_size(text: str) -> bool:
    """An arithmetic expression of named sizes, as sympy's ``srepr`` writes it."""
    tree = _parsed(text)
    if tree is None:
        return False
    names = {id(argument) for node in ast.walk(tree) for argument in _symbol_name(node)}
    for node in ast.walk(tree):
        if not isinstance(node, _PLAIN_SYNTAX):
            return False
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name):
            return False
        if isinstance(node, ast.Name) and not _SIZE_WORDS.fullmatch(node.id):
            return False
        text_value = isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
        if text_value and id(node) not in names:
            return False
    return True


def _symbol_name(node: ast.AST) -> list[ast.expr]:
    """The argument of ``Symbol('s0')``: the only text that a size may hold."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Symbol":
        name = node.args[0] if node.args else None
        if isinstance(name, ast.Constant) and _SYMBOL.fullmatch(str(name.value)):
            return [name]
    return []


def _is_guard(text: str) -> bool:
    """A comparison of sizes: ``L['x'].size()[0] % 2 == 0``."""
    tree = _parsed(text)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if not isinstance(node, (*_PLAIN_SYNTAX, ast.Subscript, ast.Attribute)):
            return False
        word = getattr(node, "attr", None) or getattr(node, "id", None)
        if word is not None and word not in _GUARD_WORDS:
            return False
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return all(
        re.fullmatch(r"\w+", str(value)) for value in constants if isinstance(value, (str, bytes))
    )


def _parsed(text: str) -> ast.Expression | None:
    try:
        return ast.parse(text, mode="eval") if len(text) < 10_000 else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
