"""Gradio's import without what it does there for those who develop components: half of its time.

And each making of a component without looking through its class once more: also half of the time, for hundreds of them
at the start, and for each that an answer changes.

At every start Gradio parses the source of each of its components and writes type stubs beside them, for editors, and
loads the package `mcp` where it is installed, for a server of its own that this app does not use (the app's is
`crossmax_studio.assistants`). Neither is needed to serve a page. `app` prepares this before anything imports Gradio.
"""

import functools
import inspect
import sys
from types import ModuleType, SimpleNamespace

from foundation.lean_imports import LeanImports, Load, lean_imports


def _without_stubs(module: ModuleType, load: Load) -> None:
    load(module)
    module.create_or_modify_pyi = _write_no_stub  # type: ignore[attr-defined]
    known = {**vars(inspect), "getfullargspec": functools.cache(inspect.getfullargspec)}
    module.inspect = SimpleNamespace(**known)  # type: ignore[attr-defined]


def _write_no_stub(*_: object) -> None:
    """In place of Gradio's `create_or_modify_pyi`."""


def _looking_once(module: ModuleType, load: Load) -> None:
    load(module)
    module.dir = _server_functions  # type: ignore[attr-defined]


@functools.cache
def _server_functions(component: type) -> list[str]:
    """In place of `dir`, of whose names Gradio's components look for those alone that a browser may call."""
    return [name for name in dir(component) if getattr(getattr(component, name, None), "_is_server_fn", False)]


def _without_server(module: ModuleType, load: Load) -> None:
    hidden = "mcp" not in sys.modules
    if hidden:
        sys.modules["mcp"] = None  # type: ignore[assignment]  # what the import system takes for "is not there"
    try:
        load(module)
    finally:
        if hidden:
            del sys.modules["mcp"]


WAYS = {
    "gradio.component_meta": _without_stubs,
    "gradio.components.base": _looking_once,
    "gradio.mcp": _without_server,
}


def prepare() -> LeanImports | None:
    """Let the next import of Gradio be a lean one; what sees to that, or None where Gradio is imported already."""
    return None if "gradio" in sys.modules else lean_imports(WAYS)
