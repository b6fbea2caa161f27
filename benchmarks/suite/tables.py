"""Who falls and what survives: the tables of transfer and of survival, by photos and by what happens to them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.suite.measuring import Point, Run, Setting, Side
from benchmarks.suite.pictures import classifier, cuts
from foundation.images.files import load_image, save_png, to_tensor
from generator.transfer.outcome import Question
from generator.transfer.table import Case, compare
from generator.victims.survival import SAVED, SURVIVALS
from generator.victims.victims import Victim, victim_of

EPS = 8 / 255
SIDE = 320
"""Of the photos, in pixels."""
FEW = (SAVED, "jpeg-75", "half-and-back")


def tables(setting: Setting) -> Iterator[Point]:
    """A table of two networks (of a quick run: one) over attacked photos: by photos, and by survivals."""
    for count in setting.sizes((1, 2), (1, 2, 4, 8)):
        yield _table("photos", count, count, FEW, setting)
    for survivals in setting.sizes((), (1, 4, len(SURVIVALS))):
        yield _table("survivals", survivals, setting.sizes((1,), (2,))[0], tuple(SURVIVALS)[:survivals], setting)


def _table(axis: str, value: float, count: int, survivals: tuple[str, ...], setting: Setting) -> Point:
    names = setting.sizes(("lite0",), ("lite0", "lite1"))
    device = setting.device

    def victims() -> list[Victim]:
        return [victim_of(name, classifier(name, device), None, device) for name in names]

    def ours() -> Run:
        asked, folder = victims(), tempfile.TemporaryDirectory()
        cases = saved(count, Path(folder.name))

        def run() -> None:
            assert folder  # lives as long as what reads from it
            compare(cases, asked, survivals=survivals)

        return run

    def plain() -> Run:
        asked, folder = victims(), tempfile.TemporaryDirectory()
        cases = saved(count, Path(folder.name))

        def run() -> None:
            assert folder
            for case in cases:
                for victim in asked:
                    for survival in survivals:
                        for path in (case.photo, case.attacked):
                            victim.look(to_tensor(SURVIVALS[survival].apply(load_image(path))))

        return run

    def floor() -> Run:
        networks = [classifier(name, device) for name in names]
        inputs = [torch.rand(1, 3, n.config.image_size, n.config.image_size, device=device) for n in networks]

        def run() -> None:
            with torch.inference_mode():
                for _ in range(2 * count * len(survivals)):
                    for network, image in zip(networks, inputs, strict=True):
                        network(image)

        return run

    return Point(
        axis,
        value,
        (
            Side("the tables", "ours", ours),
            Side("every file opened, changed and asked about", "reference", plain),
            Side("the networks' forward passes", "floor", floor),
        ),
    )


def saved(count: int, folder: Path) -> list[Case]:
    """Photos as files, each with one that stands for an attacked one: every value moved by the budget at random."""
    rng, cases = torch.Generator().manual_seed(0), []
    for number, photo in enumerate(cuts(count, SIDE).split(1)):
        paths = [folder / f"{number}-{kind}.png" for kind in ("photo", "attacked")]
        noise = EPS * torch.randn(photo.shape, generator=rng).sign()
        for path, image in zip(paths, (photo, (photo + noise).clamp(0, 1)), strict=True):
            save_png(image, path)
        cases.append(Case(str(number), "noise", *paths, Question()))
    return cases
