"""torchvision's and timm's import without PyTorch's compiler, and open_clip's without transformers.

About two seconds of three, and one and a half of two. Some modules ask the compiler for something as they are imported,
and none needs it before something is compiled, or computed in a certain way: then it is loaded. transformers is needed
by text towers of Hugging Face, and where captions are written: then it is, too. `foundation.torchvision_cure` prepares
this before anything imports one of the three.
"""

import builtins
import functools
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from foundation.lean_imports import LeanImports, Load, Way, lean_imports

_COMPILER = "torch._dynamo.utils"


def _is_compile_supported(device: Any) -> bool:
    """PyTorch's answer, for which the compiler is loaded."""
    from torch._dynamo.utils import is_compile_supported

    return bool(is_compile_supported(device))


def _importing(answer: Callable[[str, Sequence[str]], Any]) -> dict[str, object]:
    """What a module has built in, with imports that `answer` is asked first: None leaves one as ever."""

    def import_(
        name: str,
        names: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        asked: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        found = None if level else answer(name, asked or ())
        return builtins.__import__(name, names, local, asked or (), level) if found is None else found

    return {**vars(builtins), "__import__": import_}


def _compiler_asked(name: str, asked: Sequence[str]) -> Any:
    """What answers for the compiler whether it could compile."""
    if (name, *asked) == (_COMPILER, "is_compile_supported"):
        return SimpleNamespace(is_compile_supported=_is_compile_supported)
    return None


def _no_transformers(name: str, _asked: Sequence[str]) -> None:
    if name.partition(".")[0] == "transformers":
        raise ImportError("transformers is imported where it is used first", name=name)


def _disable(fn: Callable[..., Any] | None = None, recursive: bool = True, **_: object) -> Any:
    """`torch.compiler.disable`, which loads the compiler when the function is called."""
    return torch._disable_dynamo(fn, recursive)  # type: ignore[attr-defined]


def _not_asking(module: ModuleType, load: Load) -> None:
    vars(module)["__builtins__"] = _importing(_compiler_asked)
    load(module)


def _disabling_later(module: ModuleType, load: Load) -> None:
    disable = torch.compiler.disable
    torch.compiler.disable = _disable
    try:
        load(module)
    finally:
        torch.compiler.disable = disable


def _with_transformers_at(kind_name: str, method: str) -> Way:
    """Load a module as where there is no transformers, and as ever before `method` of one of its classes runs first."""

    def way(module: ModuleType, load: Load) -> None:
        namespace = vars(module)
        namespace["__builtins__"] = _importing(_no_transformers)
        load(module)
        kind = namespace[kind_name]
        known = getattr(kind, method)

        @functools.wraps(known)
        def complete(self: object, *args: Any, **named: Any) -> Any:
            namespace["__builtins__"] = builtins
            load(module)  # into the same namespace: what it defined first finds there what it lacked
            namespace[kind_name] = kind  # which others have imported
            setattr(kind, method, known)  # last: another thread meanwhile loads it once more
            return known(self, *args, **named)

        setattr(kind, method, complete)

    return way


WAYS = {
    "torchvision.ops.roi_align": _not_asking,
    "timm.layers.typing": _disabling_later,
    "torchvision.tv_tensors": _disabling_later,
    "open_clip.hf_model": _with_transformers_at("HFTextEncoder", "__init__"),
    "open_clip.coca_model": _with_transformers_at("CoCa", "generate"),
}


def prepare() -> LeanImports:
    """Let the next import of torchvision, of timm and of open_clip be a lean one, by what is returned."""
    return lean_imports(WAYS)
