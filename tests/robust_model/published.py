"""Published classifiers with random weights, laid where the libraries look for theirs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save

from foundation import torchvision_cure  # noqa: F401  (before timm, which imports torchvision)

TIMM = "timm:test_resnet"
TIMM_FILE = Path("timm", "test_resnet.r160_in1k", "model.safetensors")


def empty_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is on this machine, and nothing can be fetched; returns where torch keeps what it fetches."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder / "torch" / "hub" / "checkpoints"


def timm_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of the smallest of timm's networks."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network: Any = timm.create_model("test_resnet", pretrained=False)
    state: dict[str, torch.Tensor] = network.state_dict()
    return state


def put_timm(checkpoints: Path, seed: int = 0) -> Path:
    """Lay the weights of `TIMM` under the folder; returns the file."""
    path = checkpoints / TIMM_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(timm_weights(seed)))
    return path
