"""Modules of other packages, loaded in a way of our own where their import does more than anybody here needs."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

Load = Callable[[ModuleType], None]
Way = Callable[[ModuleType, Load], None]
"""Loads a module, handed to it empty with what loads it as ever."""


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, way: Way) -> None:
        self._loader, self._way = loader, way

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._way(module, self._loader.exec_module)


class LeanImports(importlib.abc.MetaPathFinder):
    """Finds the modules of these names, to be loaded in these ways; all others are found as ever."""

    def __init__(self, ways: Mapping[str, Way]) -> None:
        self._ways = dict(ways)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` has it."""
        if fullname not in self._ways:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._ways[fullname])
        return spec


def lean_imports(ways: Mapping[str, Way]) -> LeanImports:
    """From now on, import the modules of these names in these ways; what sees to that."""
    finder = LeanImports(ways)
    sys.meta_path.insert(0, finder)
    return finder
