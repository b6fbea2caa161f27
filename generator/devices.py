"""Where to compute."""

import torch

from generator.errors import StudioError


def choose_device(name: str) -> str:
    """The device that `name` stands for: "auto" is a GPU if there is one. StudioError for one that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise StudioError("There is no CUDA device here (or PyTorch was installed without CUDA). Use --device cpu.")
    return name
