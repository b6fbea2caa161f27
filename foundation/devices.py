"""Where to compute."""

import re

import torch

from foundation.errors import StudioError

_CUDA = re.compile(r"cuda(:(0|[1-9][0-9]?))?")


def choose_device(name: str) -> str:
    """The device that `name` stands for, in any case: "auto" is a GPU if there is one.

    StudioError for a name of another form, and for a device that is not there.
    """
    device = name.strip().lower()
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return device
    known = _CUDA.fullmatch(device)
    if known is None:
        raise StudioError(f"There is no device '{name[:40]}' here: use auto, cpu, cuda or cuda:0.")
    if not torch.cuda.is_available():
        raise StudioError("There is no CUDA device here (or PyTorch was installed without CUDA). Use --device cpu.")
    count = torch.cuda.device_count()
    if int(known[2] or 0) >= count:
        there = "one GPU, cuda:0" if count == 1 else f"{count} GPUs, cuda:0 to cuda:{count - 1}"
        raise StudioError(f"There is no device '{device}' here, but {there}: use auto, cpu, cuda or cuda:0.")
    return device
