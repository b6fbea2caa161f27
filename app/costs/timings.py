"""What work takes on this machine: measured in short at the start, and learnt from every finished job.

So the page can say what the next job costs before it begins, and a job that is too much can be refused.
"""

import io
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from torch import Tensor

from app.costs.estimates import DRAWS, NOTHING_MORE, Cost, Extras, Network, Rates, cost_of
from foundation.files.text_files import FileError, read_bytes, replace_whole
from foundation.images.files import to_pil
from foundation.protocols import Encoder
from foundation.work_time import worked
from generator.objectives.classes import AWAY
from generator.priors.operators import Size
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model

MOST_JOBS = 300
MOST_NETWORKS = 200
RECENT = 3
"""How many measurements of a unit are kept: the fastest counts, because a busy machine makes all of them slower."""
_ALIKE = ("task", "models", "views", "form", "optimiser", "perturbation", "together")
"""Jobs that have these in common are as much over or under their estimate as each other, if their sizes are near."""
COSTLY = (
    *(*_ALIKE, "size", "resolutions", "balance", "tolerance", "steps", "views_per_step", "images"),
    *("keep", "enough", "detail"),
    *("norm", "eps"),  # which have to fit together
)
_AIMS: Mapping[str, Mapping[str, object]] = {
    "class": {},
    "text": {"prompt": "a picture"},
    "attack": {"objective": AWAY, "classes": ()},
}
"""What stands for the aims of a job, by its task: they cost no time, and need pictures that nobody keeps."""
_SIDE = 1024
"""Of the picture on which passes over pixels are timed: large enough that it does not stay in a cache."""
_PROBE = (64, 64)

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_SIZE = TypeAdapter(tuple[int, int])
_Clock = Callable[[], float]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Job(_Value):
    """A finished job: its recipe as far as it costs time, and the seconds that a step and all that follows took."""

    recipe: dict[str, JsonValue]
    photo: tuple[int, int] | None
    victims: tuple[str, ...]
    survivals: int
    step: Seconds
    after: Seconds

    @property
    def pixels(self) -> int:
        """Of its picture."""
        return math.prod(self.photo or _SIZE.validate_python(self.recipe["size"]))


class _Network(_Value):
    call: Seconds
    image: Seconds
    draws: int


class _Device(_Value):
    """What is known of one device; of units the last few measurements."""

    pixel: tuple[Seconds, ...] = ()
    product: tuple[Seconds, ...] = ()
    file: tuple[Seconds, ...] = ()
    networks: dict[str, tuple[_Network, ...]] = {}
    jobs: tuple[_Job, ...] = ()


class _Book(_Value):
    devices: dict[str, _Device] = {}


@dataclass(frozen=True)
class Took:
    """What a finished job took: seconds of one step, and of all that followed the last."""

    step: float
    after: float


@dataclass
class Stopwatch:
    """Times the steps of a job: the first is left out, in which everything is met for the first time."""

    clock: _Clock = worked
    count: int = 0
    _marks: list[float] = field(default_factory=list)

    def step(self) -> None:
        """A step is over."""
        self._marks = [*self._marks[:1], self.clock()]
        self.count += 1

    def took(self) -> Took | None:
        """What a job took that ends now; None where fewer than two steps tell nothing."""
        if self.count < 2:
            return None
        first, last = self._marks
        return Took((last - first) / (self.count - 1), self.clock() - last)


class Timings:
    """Rates and finished jobs by device, in a JSON file. Safe for threads.

    Args:
        path: the file. It is made with the first entry; one that cannot be read is started anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: _Book | None = None

    def rates(self, device: str) -> Rates:
        """What units of work take on the device, as far as it was measured."""
        known = self._device(device)
        usual = Rates()
        networks = {
            name: Network(min(one.call for one in found), min(one.image for one in found), found[-1].draws)
            for name, found in known.networks.items()
        }
        return Rates(
            min(known.pixel, default=usual.pixel),
            min(known.product, default=usual.product),
            min(known.file, default=usual.file),
            networks,
        )

    def cost(self, recipe: Recipe, device: str, photo: Size | None = None, extras: Extras = NOTHING_MORE) -> Cost:
        """What a job costs, corrected by what the nearest one like it took. StudioError as for `cost_of`."""
        rates = self.rates(device)
        cost = cost_of(recipe, rates, photo, extras)
        wanted = _facts(recipe, _ALIKE)
        alike = [job for job in self._device(device).jobs if all(job.recipe.get(n) == v for n, v in wanted.items())]
        if not alike:
            return cost
        pixels = math.prod(photo or recipe.size)
        distances = [abs(math.log2(pixels / job.pixels)) for job in alike]
        nearest = min(distances)
        job = next(job for job, far in zip(reversed(alike), reversed(distances), strict=True) if far == nearest)
        then = cost_of(_recipe(job), rates, job.photo, Extras(job.victims, job.survivals, extras.onlookers))
        trust = 0.5**nearest
        step, after = ((took / said) ** trust if said > 0 else 1.0 for took, said in _pairs(job, then))
        return replace(cost, steps=cost.steps * step, after=cost.after * after, per_step=cost.per_step * step)

    def note(
        self, recipe: Recipe, device: str, took: Took, photo: Size | None = None, extras: Extras = NOTHING_MORE
    ) -> None:
        """Remember what a job took. Of models that were never measured it tells what a pass takes.

        Raises:
            OSError: the file cannot be written.
        """
        rates = self.rates(device)
        unknown = [name for name in recipe.models if name not in rates.networks]
        learnt: dict[str, tuple[_Network, ...]] = {}
        if unknown:
            rest = took.step - cost_of(recipe, replace(rates, unknown=Network(0.0, 0.0)), photo, extras).per_step
            each = max(rest, 0.1 * took.step) / (len(unknown) * recipe.views_per_step * recipe.images)
            learnt = {name: (_Network(call=0.0, image=each, draws=DRAWS),) for name in unknown}
        job = _Job(
            recipe=_facts(recipe, COSTLY),
            photo=photo,
            victims=extras.victims,
            survivals=extras.survivals,
            step=took.step,
            after=took.after,
        )

        def add(known: _Device) -> _Device:
            others = tuple(one for one in known.jobs if (one.recipe, one.photo) != (job.recipe, job.photo))
            jobs = (*others, job)[-MOST_JOBS:]
            return known.model_copy(update={"jobs": jobs, "networks": {**known.networks, **learnt}})

        self._change(device, add)

    def measure(self, device: str) -> None:
        """Time passes over pixels, products and PNG files, in about a second. OSError: the file cannot be written."""
        units = {"pixel": time_pixels(device), "product": time_products(device), "file": time_files()}
        self._change(
            device,
            lambda known: known.model_copy(
                update={name: (*getattr(known, name), took)[-RECENT:] for name, took in units.items()}
            ),
        )

    def measure_network(self, name: str, model: Model, device: str) -> None:
        """Time a model, there and back. OSError: the file cannot be written."""
        found = time_network(model, device)
        entry = _Network(call=found.call, image=found.image, draws=found.draws)

        def add(known: _Device) -> _Device:
            kept = {**known.networks, name: (*known.networks.get(name, ()), entry)[-RECENT:]}
            return known.model_copy(update={"networks": dict(list(kept.items())[-MOST_NETWORKS:])})

        self._change(device, add)

    def _device(self, device: str) -> _Device:
        with self._lock:
            return self._book().devices.get(device, _Device())

    def _change(self, device: str, change: Callable[[_Device], _Device]) -> None:
        with self._lock:
            book = self._book()
            self._known = _Book(devices={**book.devices, device: change(book.devices.get(device, _Device()))})
            replace_whole(self._path, self._known.model_dump_json(indent=1).encode(), durable=False)

    def _book(self) -> _Book:
        if self._known is None:
            self._known = _read(self._path)
        return self._known


def _read(path: Path) -> _Book:
    try:
        return _Book.model_validate_json(read_bytes(path))
    except (FileError, ValidationError):
        return _Book()  # nothing is lost that the next jobs will not measure again


def _facts(recipe: Recipe, names: tuple[str, ...]) -> dict[str, JsonValue]:
    return recipe.model_dump(mode="json", include=set(names))


def _recipe(job: _Job) -> Recipe:
    return Recipe.model_validate({**job.recipe, **_AIMS[str(job.recipe["task"])]})


def _pairs(job: _Job, then: Cost) -> tuple[tuple[float, float], tuple[float, float]]:
    return (job.step, then.per_step), (job.after, then.after)


# ---------------------------------------------------------------------- measuring


def _best(work: Callable[[], object], device: str, tries: int = 2) -> float:
    """Seconds of the fastest of some tries, after one that does not count."""
    took = []
    for _ in range(1 + tries):
        started = time.perf_counter()
        work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - started)
    return min(took[1:])


def time_pixels(device: str, side: int = _SIDE) -> float:
    """Seconds of one pass over one pixel of three floats of a large picture."""
    picture = torch.full((1, 3, side, side), 0.5, device=device)
    return _best(lambda: (picture.tanh(), picture + picture, picture.clamp(0, 1)), device) / (3 * side * side)


def time_products(device: str, side: int = 768) -> float:
    """Seconds of one multiplication and addition in a product of matrices."""
    matrix = torch.full((side, side), 1e-3, device=device)
    return _best(lambda: matrix @ matrix, device) / side**3


def time_files(side: int = 512) -> float:
    """Seconds of one pixel of a PNG, packed or unpacked."""
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    (picture,) = to_pil(noise)

    def there_and_back() -> None:
        file = io.BytesIO()
        picture.save(file, format="PNG")
        Image.open(file, formats=("PNG",)).load()

    return _best(there_and_back, "cpu") / (2 * side * side)


def time_network(model: Model, device: str, most: int = 8) -> Network:
    """Seconds of a pass of a model there and back, and how many passes make an answer."""
    see: Callable[[Tensor], Tensor] = model.encode_images if isinstance(model, Encoder) else model
    probe = torch.full((most, 3, *_PROBE), 0.5, device=device)

    def back(images: Tensor) -> None:
        leaf = images.clone().requires_grad_()
        with torch.enable_grad():
            said = see(leaf)
        if said.requires_grad:
            torch.autograd.grad(said.sum(), leaf)

    one, many = (_best(partial(back, images), device) for images in (probe[:1], probe))
    image = max(0.0, (many - one) / (most - 1))
    with torch.no_grad():
        alike = torch.equal(see(probe[:1]), see(probe[:1]))
    return Network(max(0.0, one - image), image, 1 if alike else DRAWS)
