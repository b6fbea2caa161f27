"""A step towards the picture of a text: by views, with one CLIP model and with an ensemble of three."""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks.clip_step import ENCODER, OURS, PLAIN, encoder_step, load, our_step, plain_step
from benchmarks.suite.measuring import Point, Run, Setting, Side
from generator.encoders.encoder import OpenClipEncoder
from generator.priors.operators import parse_resolutions
from generator.views.registry import parse_views
from robust_model.zoo.catalogue import open_catalogue

TINY, LARGE = "tiny-clip", "ViT-B-32"
ENSEMBLE = 3


@cache
def encoders(name: str, count: int, device: str) -> tuple[OpenClipEncoder, ...]:
    """So many encoders of one architecture: the shipped small one, or a model of open_clip with random weights.

    Each computes by itself, so that it does not matter that the shipped ones have the same weights.
    """
    if name == TINY:
        with tempfile.TemporaryDirectory() as nothing:  # the catalogue is asked for encoders where downloads could lie
            models = open_catalogue(downloads=Path(nothing))
            found = [models.load(TINY, device, kind="encoder") for _ in range(count)]
        assert all(isinstance(encoder, OpenClipEncoder) for encoder in found)
        return tuple(found)
    return tuple(load(name, device) for _ in range(count))


def texts(setting: Setting) -> Iterator[Point]:
    """The shipped small CLIP; in a full run ViT-B/32, too: 1, 8 and 64 views, and three models at 8."""
    for name in setting.sizes((TINY,), (TINY, LARGE)):
        for views in setting.sizes((1, 8), (1, 8, 64)):
            yield _text(f"views, {name}", views, name, 1, views, setting)
        views = setting.sizes((1,), (8,))[0]
        for count in (1, ENSEMBLE):
            yield _text(f"models, {name}, {views} views", count, name, count, views, setting)


def _text(axis: str, value: float, name: str, count: int, views: int, setting: Setting) -> Point:
    side, device = (224, setting.device) if name == LARGE else (setting.sizes((48,), (128,))[0], setting.device)
    resolutions = parse_resolutions("all" if name == LARGE else f"1..{side}:4", (side, side))
    view = parse_views(f"shift:{side // 4} | uniform:0.2")

    def ours() -> Run:
        return our_step(encoders(name, count, device), views, view, resolutions, side, tolerance=1e-2, normalise=True)

    return Point(
        axis,
        value,
        (
            Side(OURS, "ours", ours),
            Side(f"{PLAIN}, as published", "reference",
                 lambda: plain_step(encoders(name, count, device), views, view, resolutions, side)),
            Side(ENCODER, "floor", lambda: encoder_step(encoders(name, count, device), views)),
        ),
    )  # fmt: skip
