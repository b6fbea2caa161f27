"""Gradio's import without what it does there for those who develop components: half of its time.

And each making of a component without looking through its class once more: also half of the time, for hundreds of them
at the start, and for each that an answer changes.

At every start Gradio parses the source of each of its components and writes type stubs beside them, for editors, and
loads the package `mcp` where it is installed, for a server of its own that this app does not use (the app's is
`crossmax_studio.assistants`). Neither is needed to serve a page. `app` prepares this before anything imports Gradio.
"""

import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

STUBS, SERVER, COMPONENTS = "gradio.component_meta", "gradio.mcp", "gradio.components.base"


class _Lean(importlib.abc.Loader):
    """Loads one of these modules as ever, but for what takes the time."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == STUBS:
            self._loader.exec_module(module)
            module.create_or_modify_pyi = _write_no_stub  # type: ignore[attr-defined]
            known = {**vars(inspect), "getfullargspec": functools.cache(inspect.getfullargspec)}
            module.inspect = SimpleNamespace(**known)  # type: ignore[attr-defined]
            return
        if module.__name__ == COMPONENTS:
            self._loader.exec_module(module)
            module.dir = _server_functions  # type: ignore[attr-defined]
            return
        hidden = "mcp" not in sys.modules
        if hidden:
            sys.modules["mcp"] = None  # type: ignore[assignment]  # what the import system takes for "is not there"
        try:
            self._loader.exec_module(module)
        finally:
            if hidden:
                del sys.modules["mcp"]


def _write_no_stub(*_: object) -> None:
    """In place of Gradio's `create_or_modify_pyi`."""


@functools.cache
def _server_functions(component: type) -> list[str]:
    """In place of `dir`, of whose names Gradio's components look for those alone that a browser may call."""
    return [name for name in dir(component) if getattr(getattr(component, name, None), "_is_server_fn", False)]


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in (STUBS, SERVER, COMPONENTS):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Lean(spec.loader)
        return spec


def prepare() -> importlib.abc.MetaPathFinder | None:
    """Let the next import of Gradio be a lean one; what sees to that, or None where Gradio is imported already."""
    if "gradio" in sys.modules:
        return None
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder
