"""Where a node's code comes from. Data only: what turns it into a running object is
``umbel.nodes``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PythonCode:
    """A function, or a class with the arguments it is set up with.

    ``method`` names what is called on an instance; empty for a function. ``reference`` is
    ``module:qualname`` and stands for the object wherever the form is printed or compared.
    """

    target: Callable[..., Any] = field(compare=False, repr=False)
    reference: str
    method: str = ""
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFile:
    """A saved model. ``format`` is a KServe model format name (``sklearn``, ``onnx`` …);
    ``uri`` says where it lies: a path, or an URL that the storage layer reads."""

    format: str
    uri: str
    version: str = ""
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class PythonClass:
    """A class named in a file that is not Python, in KServe's model shape (``preprocess``,
    ``predict``, ``postprocess``, ``explain`` of one payload). Imported when the node is built.

    ``reference`` is ``module:Class``, looked up with ``folder`` on the path too. Of ``kwargs``
    the constructor gets those that it names. Nodes of one class and equal arguments share an
    instance.
    """

    reference: str
    method: str
    folder: str = ""
    kwargs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteService:
    """A service reached by HTTP POST of the whole body. ``timeout_s``: seconds to the end of
    the reply, ``None`` for no limit but the request's deadline. ``forward_headers``: Go-style
    regular expressions matched against canonical header names."""

    url: str
    timeout_s: float | None = None
    forward_headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class HttpServer:
    """A server of its own that speaks V1 or V2 below ``url``: a container beside the graph.

    Requests go on to it as they came: method, path, headers and body. A document without a path
    goes to ``model``'s own, V1 or V2 by its form. ``timeout_s``: seconds to the end of a reply,
    ``None`` for no limit but the request's deadline.
    """

    url: str
    model: str
    timeout_s: float | None = None


MODEL_MEMORY = 1 << 30
"""Bytes that the loaded models of a pool may take in one replica where nobody says."""


@dataclass(frozen=True)
class ModelPool:
    """Many saved models behind one node, each loaded when it is first asked for.

    ``models`` has them by name. ``folder``, if given, is a folder of this machine: each entry of
    it is a model too, of this format and with these options, named as the file without its
    suffix. ``budget``: bytes that the loaded models of one replica may take together.
    ``declared``: bytes that a model is said to need, by name. ``whole_requests``: a call carries
    one V1 or V2 request as it came, rather than values.
    """

    models: Mapping[str, ModelFile] = field(default_factory=dict)
    folder: ModelFile | None = None
    budget: int = MODEL_MEMORY
    declared: Mapping[str, int] = field(default_factory=dict)
    whole_requests: bool = False


class TrainingRows:
    """Arrays that an explainer is fitted to, given in Python. ``arrays`` are numpy arrays by name
    (``x``: the rows, ``y``: their labels). Equal contents are equal, and no text shows them."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.arrays = dict(arrays)
        whole = hashlib.sha256()
        for name, array in self.arrays.items():
            whole.update(f"{name} {array.dtype} {array.shape}\n".encode())
            whole.update(array.tobytes())
        self.sha256 = whole.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrainingRows) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}{list(a.shape)}" for name, a in self.arrays.items())
        return f"<rows {shapes} sha256:{self.sha256[:12]}>"


@dataclass(frozen=True)
class LibraryExplainer:
    """A method of an explanation library, such as ``alibi-anchor-tabular``.

    ``uri`` says where its fitted state or its training rows lie, ``train`` holds rows that were
    given in Python. ``model`` is the model itself, for methods that look inside it. ``folder`` is
    where relative paths among the settings start.
    """

    method: str
    uri: str = ""
    train: TrainingRows | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    model: ModelFile | None = None
    folder: str = ""


Implementation = (
    LibraryExplainer | PythonCode | PythonClass | ModelFile | ModelPool | RemoteService | HttpServer
)
