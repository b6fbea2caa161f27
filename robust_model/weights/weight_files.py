"""Weights that others wrote: state dictionaries as safetensors or PyTorch files, without unpickling anything else."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from foundation.errors import StudioError
from robust_model.weights.checkpoint import load_tensors


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a `.safetensors` file, or in the state dictionary that `torch.save` wrote (`.pth`, `.pt`).

    Of a dictionary that holds one under "state_dict" or "model", as training scripts write it, that one is taken; a
    "module." before every name is left out. Raises StudioError.
    """
    if path.suffix == ".safetensors":
        tensors, _facts = load_tensors(path)
        return tensors
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise StudioError(f"There are no weights at '{path}'.") from None
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StudioError(
            f"The weights in '{path}' cannot be read ({first}): a safetensors file or a plain PyTorch state dictionary "
            "is needed."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not all(isinstance(t, Tensor) for t in found.values()):
        raise StudioError(f"'{path}' holds no state dictionary (names and tensors).")
    prefix = "module." if all(name.startswith("module.") for name in found) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in found.items()}
