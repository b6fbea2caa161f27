"""What people order of a studio: kinds of jobs, how often each is wanted, and the photos that they bring."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from PIL import Image

from benchmarks.hostile.visitors import Honest
from crossmax_studio.client import Job, Studio
from foundation.errors import StudioError

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SEEDS = 2**31


@dataclass(frozen=True)
class Kind:
    """A kind of job: what share of the orders are of it, and what orders one, and returns its id."""

    share: float
    order: Callable[["Desk"], str]


@dataclass
class Desk:
    """Where one user orders: by the interface for programs, or on the page."""

    studio: Studio
    page: Honest
    draws: Random

    def photo(self, side: int) -> bytes:
        """A photo of this user's alone: noise in colours, as a PNG."""
        picture = Image.new("RGB", (side, side))
        picture.putdata([tuple(self.draws.randbytes(3)) for _ in range(side * side)])
        file = io.BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()

    def seed(self) -> int:
        """A seed that nobody else has."""
        return self.draws.randrange(SEEDS)

    def name(self) -> str:
        """A class that all of the shipped classifiers of photos of 32 pixels know."""
        return self.draws.choice(NAMES)


def _text(desk: Desk) -> str:
    return _id(desk.studio.text(f"a {desk.name()}", preset="fast", size=[64, 64], steps=20, seed=desk.seed()))


def _class(desk: Desk) -> str:
    return _id(desk.studio.class_image(desk.name(), preset="quick", size=[32, 32], steps=20, seed=desk.seed()))


def _attacked(desk: Desk, side: int, explore: Mapping[str, object] | None = None) -> str:
    job = desk.studio.attack(
        desk.photo(side),
        models=["undefended-cifar10"],
        explore=explore,
        classes=[desk.name()],
        eps=8 / 255,
        steps=10,
        seed=desk.seed(),
    )
    return job.id


def _attack(desk: Desk) -> str:
    return _attacked(desk, 48)


def _transfer(desk: Desk) -> str:
    return _attacked(desk, 32, {"victims": ["crossmax-cifar10"], "survivals": ["jpeg-75"]})


def _evaluation(desk: Desk) -> str:
    return _id(desk.studio.evaluate("undefended-cifar10", data="examples", suites=["quick"], count=4))


def _page(desk: Desk) -> str:
    answer = desk.page.click(desk.page.config.triggered("click", "text-start"))
    found = re.search(r'data-job=\\?"([0-9a-f]{32})', answer.text)
    if found is None:
        raise StudioError(f"The page took no order, and said: {answer.text[:200]}")
    return found[1]


def _id(job: Job) -> str:
    return job.id


KINDS = {
    "text": Kind(0.32, _text),
    "class": Kind(0.25, _class),
    "attack": Kind(0.20, _attack),
    "transfer": Kind(0.10, _transfer),
    "evaluation": Kind(0.05, _evaluation),
    "on the page": Kind(0.08, _page),
}
"""The mixture. A picture of a text ordered on the page is as the page opens; the others are small."""
