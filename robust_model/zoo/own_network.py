"""A user's own network, named MODULE:FUNCTION: the module is imported, the function called, what it returns taken."""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from foundation.errors import StudioError
from robust_model.data.class_match import numbered
from robust_model.networks.contract import FAULTS, ask, in_words, logits_of
from robust_model.networks.plain import PlainConfig, PlainDefence

FORM = "MODULE:FUNCTION, for example networks:make for the function make in networks.py in this folder"
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def load_own(module: str, function: str, device: str, shape: Callable[[], tuple[int, int]]) -> PlainDefence:
    """The network that `function` of `module` returns, alone or with its classes' names, on `device` and probed.

    `shape` says height and width of the images that it has to take. Raises StudioError, with the original error's words
    where the fault is the module's.
    """
    name = f"{module}:{function}"
    made = _call(_find(module, function), name)
    pair = made if isinstance(made, (tuple, list)) and len(made) == 2 else (made, None)
    network, names = pair
    if not isinstance(network, nn.Module):
        kind = f"the class {network.__name__}" if isinstance(network, type) else type(network).__name__
        raise StudioError(f"'{name}' returned {kind}, not a torch.nn.Module, or (module, class names).")
    _place(network, device, name)
    height, width = shape()
    classes = numbered(_outputs(network, name, device, height, width)) if names is None else _class_names(names, name)
    defence = PlainDefence(network, PlainConfig(name=name, class_names=classes))
    defence.to(device)
    return defence.probed((height, width))


def _find(module: str, function: str) -> Callable[[], object]:
    name = f"{module}:{function}"
    if not _DOTTED.fullmatch(module):
        raise StudioError(
            f"'{name}' does not name a module of Python: name the module without a path, without dots before it and "
            f"without .py ({FORM})."
        )
    if not function.isidentifier():
        raise StudioError(f"'{name}' does not name a function: a model of yours is {FORM}.")
    _look_in_this_folder()
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if module == missing or module.startswith(f"{missing}.") or missing.startswith(f"{module}."):
            raise StudioError(_no_module(module, name)) from error
        raise StudioError(
            f"The module '{module}' imports '{missing}', which is not installed here: install it, for '{name}'."
        ) from error
    except (*FAULTS, SyntaxError, SystemExit) as error:
        raise StudioError(
            f"The module '{module}' fails when it is imported: {in_words(error)}{_where(error)}. Mend it first."
        ) from error
    made: object = getattr(found, function, None)
    if made is None:
        raise StudioError(f"The module '{module}' has no function '{function}'.")
    if not callable(made):
        raise StudioError(
            f"'{name}' is no function but {type(made).__name__}: name a function that returns the network, or "
            "(network, class names)."
        )
    return made


def _look_in_this_folder() -> None:
    """Let modules of the current folder be imported, as `python -m` does and installed commands do not."""
    with contextlib.suppress(FileNotFoundError):  # the folder was removed
        if not {"", os.getcwd()} & set(sys.path):  # noqa: PTH109 -- as it stands in sys.path
            sys.path.append(os.getcwd())  # noqa: PTH109 -- last: nothing of ours is hidden by it


def _no_module(module: str, name: str) -> str:
    said = f"There is no module '{module}' for the model '{name}'. "
    if module.endswith(".py"):
        return said + f"Name the module without its ending: {name.replace('.py:', ':')}."
    return said + (
        "Run the command in the folder where it lies, or use one of ours by its name, or ensemble:NAME+NAME, "
        "crossmax-hub:ORG/NAME, torchvision:NAME, timm:NAME or robustbench:NAME."
    )


def _call(make: Callable[[], object], name: str) -> object:
    try:
        return make()
    except StudioError:
        raise
    except (*FAULTS, SystemExit) as error:
        raise StudioError(
            f"'{name}' fails when it is called, without arguments: {in_words(error)}{_where(error)}. Mend it, or name "
            "a function that needs none."
        ) from error


def _where(error: BaseException) -> str:
    """The file and the line in which an error arose, if that is known."""
    if isinstance(error, SyntaxError):  # its words name them
        return ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})"


def _place(network: nn.Module, device: str, name: str) -> None:
    try:
        network.eval().to(device)
    except FAULTS as error:
        raise StudioError(f"The model '{name}' cannot be moved to {device}: {in_words(error)}.") from error


def _class_names(names: object, model: str) -> tuple[str, ...]:
    if isinstance(names, (str, bytes, Mapping)) or not isinstance(names, Iterable):
        raise StudioError(
            f"'{model}' returned {type(names).__name__} as class names: return a list of them, in the order of the "
            "logits."
        )
    found = tuple(str(name) for name in names)
    if len(found) < 2:
        raise StudioError(f"'{model}' names {len(found)} classes: a classifier knows two or more.")
    twice = next((name for place, name in enumerate(found) if name in found[:place]), None)
    if twice is not None:
        raise StudioError(f"'{model}' names two classes '{twice}': give every class a name of its own.")
    return found


def _outputs(network: nn.Module, name: str, device: str, height: int, width: int) -> int:
    """How many logits the network has, by its answer to one image."""
    image = torch.full((1, 3, height, width), 0.5, device=device)
    with torch.no_grad(), torch.random.fork_rng():
        count = logits_of(ask(network, image, name), image, None, name).shape[1]
    if count < 2:
        raise StudioError(
            f"The model '{name}' answers with one number for an image, where a classifier of two classes has two "
            "logits: let it return, for example, torch.cat([-z, z], 1)."
        )
    return int(count)
