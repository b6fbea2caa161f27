"""Attacks on a classifier of 224 pixels beside other packages' and its bare passes; and the adaptive evaluation."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.apgd_passes import attack
from benchmarks.photo_attack import EPS, bare
from benchmarks.suite import literal
from benchmarks.suite.measuring import Point, Run, Setting, Side
from benchmarks.suite.peers import foolbox_pgd, peer_side, torchattacks_pgd
from benchmarks.suite.pictures import classifier, cuts
from generator.production.making import make
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset
from robust_model.attacks import ApgdConfig, AutoAttackConfig, PgdConfig, run_attack
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.engine import attacks_of, evaluate_model
from robust_model.evaluation.record.config import EvalConfig
from robust_model.networks.noise import SilentNoise

MODEL, SIDE, TARGET = "lite0", 224, "5"
ROBUST = "crossmax-cifar10"
UNREACHED = 0.9999999
"""A probability at which no attack ends early."""


def answered(model: Any, images: Tensor) -> Tensor:
    """What a model says of images: the labels that attacks are to leave."""
    with torch.no_grad():
        labels: Tensor = model(images).argmax(1)
    return labels


def attacks(setting: Setting) -> Iterator[Point]:
    """PGD in L-inf 8/255 on photos for EfficientNet-Lite0: by steps, and by images."""
    for steps in setting.sizes((1, 2), (5, 10, 20, 40)):
        yield _attack("steps", steps, 1, steps, setting)
    for images in setting.sizes((2,), (1, 4, 16)):
        yield _attack("images", images, images, setting.sizes((1,), (10,))[0], setting)


def _attack(axis: str, value: float, count: int, steps: int, setting: Setting) -> Point:
    device = setting.device
    load, photos = partial(classifier, MODEL, device), partial(cuts, count, SIDE, device)

    def preset(name: str, **changes: float) -> Run:
        recipe = from_preset("attack", name, models=(MODEL,), classes=(TARGET,), steps=steps, **changes)
        model, sources = load(), photos().split(1)
        return lambda: [make(recipe, {MODEL: model}, pictures=Pictures(source), device=device) for source in sources]

    def evaluations() -> Run:
        model, images = load(), photos()
        config = PgdConfig(source="defence", steps=steps, restarts=1, eps=EPS)
        labels, rng = answered(model, images), torch.Generator().manual_seed(0)

        def stands(_images: Tensor, labels: Tensor) -> Tensor:
            return torch.ones_like(labels, dtype=torch.bool)  # so that nothing leaves early: every step is paid for

        return lambda: list(run_attack(model, images, labels, config, rng=rng, noise=SilentNoise(), judge=stands))

    def published() -> Run:
        model, images = load(), photos()
        labels = answered(model, images)
        return lambda: literal.pgd(model, images, labels, EPS, steps)

    def others(pgd: Any) -> Run:
        model, images = load(), photos()
        run: Run = pgd(model, images, answered(model, images), EPS, steps)
        return run

    return Point(
        axis,
        value,
        (
            Side("preset pgd", "ours", lambda: preset("pgd")),
            Side("preset standard, layers", "also", lambda: preset("standard", enough=UNREACHED)),
            Side("PGD of evaluations, all images at once", "also", evaluations),
            Side("a plain loop, as published", "reference", published),
            peer_side("torchattacks", lambda: others(torchattacks_pgd)),
            peer_side("foolbox", lambda: others(foolbox_pgd)),
            Side("the network's forward + backward", "floor",
                 lambda: bare(load(), SIDE, images=count, steps=steps, device=device)),
        ),
    )  # fmt: skip


def autoattack(setting: Setting) -> Iterator[Point]:
    """Auto-PGD by cross-entropy beside that of AutoAttack's authors, as a user of each meets it: by images."""
    steps = setting.sizes((2,), (20,))[0]
    for count in setting.sizes((1, 2), (1, 4, 16)):
        yield _autoattack(count, steps, setting.device)


def _autoattack(count: int, steps: int, device: str) -> Point:
    load, photos = partial(classifier, MODEL, device), partial(cuts, count, SIDE, device)

    def attacked(config: ApgdConfig | AutoAttackConfig) -> Run:
        model, images = load(), photos()
        labels = answered(model, images)
        return lambda: attack(model, images, labels, config, batch=count, seed=0)

    ours = ApgdConfig(source="defence", loss="ce", eps=EPS, steps=steps, restarts=1)
    theirs = AutoAttackConfig(version="custom", attacks=("apgd-ce",), eps=EPS, steps=steps, restarts=1)
    return Point(
        "images",
        count,
        (
            Side("APGD, an image leaves once it is broken", "ours", lambda: attacked(ours)),
            Side("APGD of AutoAttack's authors", "reference", lambda: attacked(theirs)),
            Side("the network's forward + backward, every step", "floor",
                 lambda: bare(load(), SIDE, images=count, steps=steps + 1, device=device)),
        ),
    )  # fmt: skip


def adaptive(setting: Setting) -> Iterator[Point]:
    """The adaptive evaluation of the shipped robust model, in a quick run the quick one: by images, and by steps."""
    for count in setting.sizes((1, 2), (4, 16, 64)):
        yield _adaptive("images", count, count, 10, setting)
    for steps in setting.sizes((), (5, 10, 20)):
        yield _adaptive("steps", steps, 16, steps, setting)


def _adaptive(axis: str, value: float, count: int, steps: int, setting: Setting) -> Point:
    device, load = setting.device, partial(classifier, ROBUST, setting.device)
    suite = setting.sizes(("quick",), ("adaptive",))[0]
    config = EvalConfig(
        model=ROBUST, data="photos", count=0, samples=0, suites=(suite,), steps=steps, restarts=1, batch=count
    )

    def data() -> LabelledImages:
        pixels = cuts(count, 32).mul(255).round().to(torch.uint8)
        labels = answered(load(), (pixels.float() / 255).to(device)).cpu()
        return LabelledImages(pixels, labels, load().class_names, "photos")

    def ours() -> Run:
        model, images = load(), data()
        return lambda: evaluate_model(config, model, data=images)

    def published() -> Run:
        model, images = load(), data()
        pictures, labels = (images.images.float() / 255).to(device), images.labels.to(device)
        return lambda: literal.suite(model, pictures, labels, attacks_of(model, config))

    def floor() -> Run:
        """As many passes as ours took, of the network alone, all images at once."""
        model, images = load(), data()
        taken = evaluate_model(config, model, data=images).passes.counted()
        pictures, labels = (images.images.float() / 255).to(device), images.labels.to(device)

        def passes() -> None:
            literal.pgd(model, pictures, labels, EPS, -(-taken.backward // count))
            with torch.no_grad():
                for _ in range(-(-(taken.forward - taken.backward) // count)):
                    model(pictures)

        return passes

    return Point(
        axis,
        value,
        (
            Side(f"the suite {suite}", "ours", ours),
            Side("every attack to its end on every image", "reference", published),
            Side("the passes that ours took, alone", "floor", floor),
        ),
    )
