"""Keeps pyarrow from importing pandas before anybody else does.

pyarrow imports it, where it is installed, as soon as it makes its first array: a quarter of a second and some 40 MB in
every process, of which nothing is used here. With this, pyarrow knows pandas from the moment somebody imports it, and
`to_pandas` imports it as ever. It is for processes that are ours: commands and workers.

Entry: `make_pandas_lazy`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PANDAS = "pandas"


@cache
def make_pandas_lazy() -> None:
    """Let pyarrow find no pandas when it looks for it; nothing is done where pandas is imported already."""
    if "pyarrow" in sys.modules:
        _look_in_vain()
    else:
        sys.meta_path.insert(0, _After("pyarrow", _look_in_vain))


def _look_in_vain() -> None:
    if _PANDAS in sys.modules:
        return
    import pyarrow as pa

    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        # it looks once, unless it is asked for something that needs pandas
        pa.scalar(None)
    finally:
        sys.meta_path.remove(hidden)
    # what it makes of a column with nulls depends on it
    sys.meta_path.insert(0, _After(_PANDAS, lambda: pa.nulls(0).to_pandas()))


class _Hidden(MetaPathFinder):
    """Hides pandas."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == _PANDAS:
            raise ModuleNotFoundError(name=name)
        return None


class _After(MetaPathFinder):
    """Does something once, as soon as a module is imported."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self._name, self._action = name, action

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            loader: Any = spec.loader
            load = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                self._action()

            loader.exec_module = exec_module
        return spec
