"""Tiny models in place of real ones, and what the jobs work with."""

from types import SimpleNamespace

import torch

from app.pictures import Workshop
from app.timings import Timings
from generator.encoders.pool import EncoderPool
from generator.errors import StudioError
from robust_model.ensemble import ModelConfig, SelfEnsemble
from robust_model.published import is_published, load_published
from robust_model.registry import describe_published

COLOURS = ("red", "green", "blue")


class Colours(torch.nn.Module):
    """Logits are the mean colour, scaled."""

    class_names = COLOURS

    def forward(self, images):
        return 20 * images.mean(dim=(2, 3))


class Pool:
    """A list of two models of colours, a damaged one, and a tiny real network."""

    def __init__(self) -> None:
        gratings = tuple(f"grating {index}" for index in range(4))
        config = ModelConfig(class_names=gratings, widths=(4, 4), blocks=(1, 1), input_size=16)
        self.models = {"colours": Colours(), "other": Colours(), "gratings": SelfEnsemble(config).eval()}
        self.asked: list[str] = []

    def find(self, name):
        if is_published(name):
            return describe_published(name)
        infos = {info.name: info for info in self.list()}
        if name not in infos:
            raise StudioError(f"There is no model '{name}'.")
        return infos[name]

    def get(self, name, device="cpu", context=None):
        if is_published(name):
            return load_published(name, device, context)
        self.asked.append(name)
        if name == "damaged":
            raise StudioError("Its weights are damaged.")
        return self.models[name]

    def list(self):
        return [
            SimpleNamespace(name=name, ready=True, origin="local", revision="0" * 15 + "1", class_names=classes)
            for name, classes in [
                ("colours", COLOURS),
                ("damaged", COLOURS),
                ("other", COLOURS),
                ("gratings", self.models["gratings"].class_names),
            ]
        ]


def workshop(data):
    """Two models of colours, a damaged one and a tiny network; the encoders are those in the data's models."""
    encoders = EncoderPool((data.models,), cache_dir=data.downloads, shipped=data.root / "none", only_listed=True)
    return Workshop(Pool(), encoders, data, Timings(data.timings))
