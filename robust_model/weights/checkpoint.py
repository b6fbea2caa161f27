"""Training state on disk, as safetensors: written whole or not at all, and read without unpickling anything."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from foundation.errors import StudioError
from foundation.files.read_once import read_once
from foundation.files.text_files import write_bytes


def discard_drafts(folder: Path) -> None:
    """Remove what a process that was killed while it wrote into `folder` has left; nobody may be writing there now."""
    for draft in folder.glob("*.tmp"):
        draft.unlink(missing_ok=True)


@read_once(256)
def file_digest(path: Path) -> str:
    """The first 16 hexadecimal digits of the file's SHA-256: a model's revision. Read again when the file changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write `tensors` with `facts` (JSON) in the header, atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # "format" is what readers on the Hugging Face hub ask for.
    write_bytes(path, _in_order(save(plain, {"format": "pt", "facts": json.dumps(facts)})))


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its metadata sorted: their order is random as safetensors writes them.

    So the same tensors and facts are the same bytes, and have the same digest.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote: tensors on the CPU, and the facts."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (no mapping)
    except FileNotFoundError:
        raise StudioError(f"There is no checkpoint at '{path}'.") from None
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise StudioError(f"The checkpoint '{path}' cannot be read ({error}); fetch or write it anew.") from error


def load_facts(path: Path) -> dict[str, Any]:
    """The facts that `save_tensors` wrote beside the tensors, which are not read."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get("facts", "{}"))
    except FileNotFoundError:
        raise StudioError(f"There is no checkpoint at '{path}'.") from None
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise StudioError(f"The checkpoint '{path}' cannot be read ({error}); fetch or write it anew.") from error
    return facts


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors under flat names `INDEX.KEY`."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, entries in state.items()
        for key, value in entries.items()
        if value is not None
    }


def unpack_optimiser(optimiser: torch.optim.Optimizer, packed: Mapping[str, Tensor]) -> None:
    """Put back what `pack_optimiser` took out; hyperparameters stay the optimiser's own."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in packed.items():
        index, key = name.split(".", 1)
        like = parameters[int(index)]
        # Same memory format as the parameter: the fused update kernels need it to stay fast.
        placed = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor.clone()
        state.setdefault(int(index), {})[key] = placed
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Copy `tensors` (any float type) into `model`; a mismatch is an error that names the first difference."""
    own = model.state_dict()
    missing = sorted(own.keys() - tensors.keys())
    foreign = sorted(tensors.keys() - own.keys())
    wrong = sorted(n for n in own.keys() & tensors.keys() if own[n].shape != tensors[n].shape)
    if missing or foreign or wrong:
        first = (missing + foreign + wrong)[0]
        raise StudioError(
            f"The weights from {origin} do not fit this network: {len(missing)} missing, {len(foreign)} unknown, "
            f"{len(wrong)} of another shape (first: '{first}'). Use the configuration they were trained with."
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
