"""skops without the libraries that it does not use.

``import skops.io`` lists scikit-learn's estimators, and for that imports all of its packages,
those that lead to PyTorch and Dask included: where PyTorch is installed that is half of the
time, and 190 MB in each replica of a model that never sees a tensor.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator

_ADAPTERS = tuple(f"sklearn.externals.array_api_compat.{one}" for one in ("torch", "dask", "cupy"))


@contextlib.contextmanager
def _left_out(names: tuple[str, ...]) -> Iterator[None]:
    """Empty modules stand for those of these that are not imported yet; later they can be."""
    empty = {name: types.ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name, module in empty.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


with _left_out(_ADAPTERS):
    import skops.io as skops_io
    from skops.io.exceptions import UntrustedTypesFoundException

__all__ = ["UntrustedTypesFoundException", "skops_io"]
