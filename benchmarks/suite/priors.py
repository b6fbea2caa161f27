"""A step of the multi-resolution prior, and pictures of classes."""

from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.photo_attack import bare
from benchmarks.prior_step import MODEL, model_step, plain_step, prior_step
from benchmarks.suite import literal
from benchmarks.suite.measuring import Point, Run, Setting, Side
from benchmarks.suite.networks import copied
from benchmarks.suite.peers import imstack_step, lucent_picture, peer_side
from benchmarks.suite.pictures import classifier
from generator.priors.operators import parse_resolutions
from generator.production.making import make
from generator.recipes.presets import from_preset
from generator.views.registry import parse_views

TOLERANCE = 1e-2
LR = 1e-6
TARGET = 5
ALONE_FROM = 2048
"""The side from which on only our own way and the floor are measured: all layers of that canvas take gigabytes."""
VIEWS = "shift:40 | uniform:0.2"
"""Those of Direct Ascent Synthesis, of one size each."""


def priors(setting: Setting) -> Iterator[Point]:
    """A step of descent: render, take a gradient, move; by the canvas's side, and by the number of layers.

    Layers are every fourth resolution, as Direct Ascent Synthesis takes them too; then those that double, as imstack's.
    """
    for side in setting.sizes((32, 48), (224, 336, 512, 1024, 2048)):
        yield _prior("side, px, every 4th resolution", side, f"1..{side}:4", side, setting)
    side = setting.sizes((48,), (224,))[0]
    for step in setting.sizes((4, 1), (16, 8, 4, 2, 1)):
        resolutions = parse_resolutions(f"1..{side}:{step}", (side, side))
        yield _prior(f"layers of {side} px", len(resolutions), f"1..{side}:{step}", side, setting)
    for side, base in setting.sizes(((32, 8), (48, 12)), ((224, 7), (336, 21), (512, 8), (1024, 8))):
        yield _doubling(side, base, setting)


def _sides(text: str, side: int, setting: Setting) -> tuple[Side, ...]:
    size, device = (side, side), setting.device
    resolutions = parse_resolutions(text, size)
    gradient = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(device)

    def ours(form: str, tolerance: float) -> Callable[[], Run]:
        return lambda: prior_step(form, resolutions, size, gradient, LR, tolerance)  # type: ignore[arg-type]

    own = Side(f"image space, tolerance {TOLERANCE:g}", "ours", ours("image_space", TOLERANCE))
    floor = Side("a copy of the picture in memory", "floor", copied((1, 3, *size), device))
    if side >= ALONE_FROM:
        return own, floor
    return (
        own,
        Side("layers, matrix products", "also", ours("layered", 0.0)),
        Side("loop of interpolate, as published", "reference", lambda: plain_step(resolutions, size, gradient, LR)),
        floor,
    )


def _prior(axis: str, value: float, text: str, side: int, setting: Setting) -> Point:
    model = () if setting.quick else (Side(MODEL, "floor", lambda: model_step(setting.device)),)
    return Point(axis, value, (*_sides(text, side, setting), *model))


def _doubling(side: int, base: int, setting: Setting) -> Point:
    cells = [base]
    while cells[-1] < side:
        cells.append(2 * cells[-1])
    gradient = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(setting.device)
    peer = peer_side("imstack", lambda: imstack_step(len(cells), base, gradient, LR), "imstack, bilinear")
    return Point("side, px, layers that double", side, (*_sides(",".join(map(str, cells)), side, setting), peer))


def classes(setting: Setting) -> Iterator[Point]:
    """A picture of a class by EfficientNet-Lite0: by steps, and by views a step."""
    for steps in setting.sizes((1,), (5, 10, 20)):
        yield _class("steps", steps, steps, 1, setting)
    for views in setting.sizes((2,), (1, 4, 16)):
        yield _class("views a step", views, setting.sizes((1,), (5,))[0], views, setting)


def _class(axis: str, value: float, steps: int, views: int, setting: Setting) -> Point:
    side, device, load = 224, setting.device, partial(classifier, "lite0", setting.device)

    def ours() -> Run:
        recipe = from_preset(
            "class", "balanced", models=("lite0",), classes=(str(TARGET),), steps=steps, views_per_step=views,
            size=(side, side),
        )  # fmt: skip
        return lambda: make(recipe, {"lite0": load()}, device=device)

    def plain() -> Run:
        resolutions, view = parse_resolutions("1..224:4", (side, side)), parse_views(VIEWS)
        step = literal.class_step(load(), TARGET, resolutions, side, view, views, device)
        return lambda: [step() for _ in range(steps)]

    sides = (
        Side("preset balanced", "ours", ours),
        Side("loop of interpolate, as published", "reference", plain),
        Side(
            "the network's forward + backward",
            "floor",
            lambda: bare(load(), side, images=views, steps=steps, device=device),
        ),
    )
    if views > 1:
        return Point(axis, value, sides)
    lucent = peer_side("torch-lucent", lambda: lucent_picture(load().network, side, TARGET, steps), "lucent")
    return Point(axis, value, (*sides, lucent))
