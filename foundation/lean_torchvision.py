"""torchvision's and timm's import without PyTorch's compiler: about two seconds of three.

Some modules ask the compiler for something as they are imported, and none needs it before something is compiled, or
computed in a certain way: then it is loaded. `foundation.torchvision_cure` prepares this before anything imports
torchvision or timm.
"""

import builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

ASKS, DISABLE = "torchvision.ops.roi_align", ("timm.layers.typing", "torchvision.tv_tensors")
_COMPILER = "torch._dynamo.utils"


def _is_compile_supported(device: Any) -> bool:
    """PyTorch's answer, for which the compiler is loaded."""
    from torch._dynamo.utils import is_compile_supported

    return bool(is_compile_supported(device))


def _import(
    name: str,
    names: Mapping[str, object] | None = None,
    local: Mapping[str, object] | None = None,
    asked: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """`__import__` for `ASKS`."""
    if (name, tuple(asked or ())) == (_COMPILER, ("is_compile_supported",)):
        return SimpleNamespace(is_compile_supported=_is_compile_supported)
    return builtins.__import__(name, names, local, asked or (), level)


def _disable(fn: Callable[..., Any] | None = None, recursive: bool = True, **_: object) -> Any:
    """`torch.compiler.disable`, which loads the compiler when the function is called."""
    return torch._disable_dynamo(fn, recursive)  # type: ignore[attr-defined]


class _Lean(importlib.abc.Loader):
    """Loads one of these modules as ever, but for what it asks of the compiler."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == ASKS:
            vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}
            self._loader.exec_module(module)
            return
        disable = torch.compiler.disable
        torch.compiler.disable = _disable
        try:
            self._loader.exec_module(module)
        finally:
            torch.compiler.disable = disable


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in (ASKS, *DISABLE):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Lean(spec.loader)
        return spec


def prepare() -> importlib.abc.MetaPathFinder:
    """Let the next import of torchvision, and of timm, be a lean one, by what is returned."""
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder
