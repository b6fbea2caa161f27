"""torchvision's and timm's import without PyTorch's compiler: about two seconds of three.

Some modules ask the compiler for something as they are imported, and none needs it before something is compiled, or
computed in a certain way: then it is loaded. `foundation.torchvision_cure` prepares this before anything imports
torchvision or timm.
"""

import builtins
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from foundation.lean_imports import LeanImports, Load, lean_imports

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
    """`__import__` for a module that asks whether it could compile."""
    if (name, tuple(asked or ())) == (_COMPILER, ("is_compile_supported",)):
        return SimpleNamespace(is_compile_supported=_is_compile_supported)
    return builtins.__import__(name, names, local, asked or (), level)


def _disable(fn: Callable[..., Any] | None = None, recursive: bool = True, **_: object) -> Any:
    """`torch.compiler.disable`, which loads the compiler when the function is called."""
    return torch._disable_dynamo(fn, recursive)  # type: ignore[attr-defined]


def _not_asking(module: ModuleType, load: Load) -> None:
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}
    load(module)


def _disabling_later(module: ModuleType, load: Load) -> None:
    disable = torch.compiler.disable
    torch.compiler.disable = _disable
    try:
        load(module)
    finally:
        torch.compiler.disable = disable


WAYS = {
    "torchvision.ops.roi_align": _not_asking,
    "timm.layers.typing": _disabling_later,
    "torchvision.tv_tensors": _disabling_later,
}


def prepare() -> LeanImports:
    """Let the next import of torchvision, and of timm, be a lean one, by what is returned."""
    return lean_imports(WAYS)
