"""Tiny CLIP models with random weights, in open_clip's folder form, and a context that records."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from foundation.progress import Progress

TEXT = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "patch_size": 8, "width": 64, "head_width": 32, "layers": 2}
RECTANGLE = {**VIT, "image_size": [32, 40]}
TIMM = {"image_size": 48, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"}
PREPROCESS = {"mean": [0.4, 0.5, 0.6], "std": [0.3, 0.25, 0.2], "interpolation": "bicubic", "resize_mode": "shortest"}


def write_config(
    folder: Path,
    vision: Mapping[str, Any] = VIT,
    preprocess: Mapping[str, Any] = PREPROCESS,
    text: Mapping[str, Any] = TEXT,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = {"embed_dim": 16, "vision_cfg": dict(vision), "text_cfg": dict(text)}
    config = {"model_cfg": model, "preprocess_cfg": dict(preprocess)}
    (folder / "open_clip_config.json").write_text(json.dumps(config))


def save_model(
    folder: Path, *, seed: int = 0, words: tuple[str, ...] = (), card: str = "", **config: Mapping[str, Any]
) -> Path:
    """Write a model with weights drawn from the seed; returns the folder."""
    write_config(folder, **config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        for parameter in model.parameters():  # random biases and scales, too: all that can be wrong should show
            parameter.data += 0.02 * torch.randn(parameter.shape)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    if words:
        (folder / "vocabulary.json").write_text(json.dumps({"words": list(words)}))
    if card:
        (folder / "README.md").write_text(card)
    return folder


class Recorder:
    """A job's context that records what is reported, and stops or throws away when told to."""

    device = "cpu"

    def __init__(self, stop_after: int | None = None, discard_after: int | None = None) -> None:
        self.reports: list[tuple[int, int, str]] = []
        self.units: set[str] = set()
        self.asked = 0
        self.stop_after, self.discard_after = stop_after, discard_after

    @property
    def stop_requested(self) -> bool:
        self.asked += 1
        limits = [limit for limit in (self.stop_after, self.discard_after) if limit is not None]
        return any(self.asked > limit for limit in limits)

    def progress(self, now: Progress, /) -> None:
        self.reports.append((now.done, now.total, now.message))
        self.units.add(now.unit)
        if self.discard_after is not None and self.asked > self.discard_after:
            raise ThrownAway


class ThrownAway(Exception):
    """As a job's context raises."""
