"""The loop: one step of descent after the other, for images from nothing and for attacks alike.

Whoever drives it decides how long it runs: it is an iterator, stopping it is closing it, and the picture so
far is always in the prior. It touches the leaves of the prior and nothing else: no weight or `.grad` of a
model, no random generator but the one it is given (and any that a classifier owns).
"""

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.base import Objective, total
from generator.optimisers.projected import WatchesLosses
from generator.optimisers.registry import Optimiser
from generator.priors.prior import Prior
from generator.views.registry import View

MAX_BATCH = 256
"""Images that go through the objective at once; more views than that are scored in several passes."""
MAX_PIXELS = 1 << 24
"""Pixels of images that are viewed at once, about 200 MB of them; more views of a large canvas come in turns."""


class DivergedError(StudioError):
    """The optimisation left the range of numbers.

    Attributes:
        images: the last good images [B, 3, H, W], or None if there never were any.
        updates: how many updates those have seen.
    """

    def __init__(self, message: str, images: Tensor | None, updates: int) -> None:
        super().__init__(message)
        self.images, self.updates = images, updates


class AbandonedError(Exception):
    """Somebody did not want to wait for the end of a step: it is as if it had not begun.

    Attributes:
        images: as they were before it, [B, 3, H, W].
        updates: how many updates those have seen, at least one.
    """

    def __init__(self, images: Tensor, updates: int) -> None:
        super().__init__(f"step {updates + 1} was abandoned")
        self.images, self.updates = images, updates


class Canvas(Protocol):
    """What stands for a large photo while its change is worked out: see `generator.priors.small_copy`."""

    def seen(self, images: Tensor, /) -> Tensor:
        """How the finished pictures of images [B, 3, h, w] on the canvas look there; differentiable."""
        ...

    def shown(self, images: Tensor, /) -> Tensor:
        """The finished pictures of images on the canvas, as large as they are looked at on the way: [B, 3, h', w']."""
        ...


class Step:
    """What one step brought.

    Attributes:
        index: the number of the step, from 1; also the number of updates that `image` has seen.
        steps: how many steps were asked for.
        losses: for every term of the objective (unweighted), and "total", one value per image: the mean over
            the views, measured on the images as they were before this step's update.
    """

    def __init__(
        self,
        index: int,
        steps: int,
        losses: dict[str, list[float]],
        prior: Prior,
        before: Tensor | None = None,
        canvas: Canvas | None = None,
    ) -> None:
        """Take also the images [B, 3, H, W] `before` this step's update, where they are known, and their canvas."""
        self.index, self.steps, self.losses = index, steps, losses
        self._prior: Prior | None = prior
        self._image: Tensor | None = None
        self._before = before
        self._canvas = canvas

    @property
    def before(self) -> Tensor:
        """The images [B, 3, H, W] before this step's update, detached. RuntimeError where they are not known."""
        if self._before is None:
            raise RuntimeError(f"step {self.index} does not know what was before it")
        return self._before

    def image(self) -> Tensor:
        """Render the images [B, 3, H, W] after this step's update, detached; the rendering is kept.

        Rendering costs time, so it happens on demand and only as long as the loop has not moved on to the
        next step: RuntimeError after that, unless the images were asked for before.
        """
        if self._image is None:
            with torch.no_grad():
                self._image = self._current().render().detach()
        return self._image

    def shown(self) -> Tensor:
        """Render the pictures [B, 3, h', w'] after this step for looking at, as `image` does.

        They are the images themselves but where those are a small copy of a large photo.
        """
        images = self.image()
        return images if self._canvas is None else self._canvas.shown(images)

    def layers(self) -> dict[int, Tensor]:
        """Return the layers r -> P_r [B, 3, rh, rw] after this step; RuntimeError as for `image`."""
        return self._current().layers()

    def _current(self) -> Prior:
        if self._prior is None:
            raise RuntimeError(f"step {self.index} is over: ask for its image before taking the next step")
        return self._prior

    def end(self) -> None:
        """Say that the next step is taken: what was not asked for by then is gone."""
        self._prior = None


def optimise(
    prior: Prior,
    objective: Objective,
    view: View,
    optimiser: Optimiser,
    *,
    steps: int,
    views_per_step: int,
    rng: torch.Generator,
    canvas: Canvas | None = None,
    give_up: Callable[[], bool] = lambda: False,
) -> Generator[Step, None, None]:
    """Minimise the expectation of the objective over views of the prior's images, one `Step` at a time.

    Each step renders the B images, scores them under `views_per_step` random views (each member of the
    objective under views of its own), and lets the optimiser move the prior down the gradient of the sum over
    images of the mean over views; so images do not influence each other. An optimiser that goes by losses is told
    the totals, and the objective hears all of them. With a `canvas`, views are taken of how
    it says that the images look. Raises DivergedError, without taking the update, when a loss or a
    gradient is not finite.

    `give_up` is asked again and again in the middle of each step but the first, which on a large canvas take seconds:
    once it says so, the step is abandoned with an AbandonedError, and the prior is as it was before it.
    """
    good: Tensor | None = None
    for index in range(1, steps + 1):
        optimiser.zero_grad()
        with torch.enable_grad():
            images = prior.render()
            shown = images if canvas is None else canvas.seen(images)
        go_on = partial(_go_on, give_up, images.detach(), index - 1)
        losses, gradient = score(shown, objective, view, views_per_step, rng, go_on)
        if not losses["total"].isfinite().all():
            raise _diverged(index, good, index - 2)
        good = images.detach()
        if not all(end.isfinite() for end in gradient.aminmax()):  # in one pass; NaN is both ends
            raise _diverged(index, good, index - 1)
        torch.autograd.backward([shown], [gradient], inputs=prior.leaves())
        go_on()
        objective.hear(losses)
        if isinstance(optimiser, WatchesLosses):
            optimiser.observe(losses["total"])
        optimiser.step()
        step = Step(index, steps, {name: loss.tolist() for name, loss in losses.items()}, prior, good, canvas)
        yield step
        if index < steps:
            step.end()


@torch.enable_grad()
def score(
    images: Tensor,
    objective: Objective,
    view: View,
    views: int,
    rng: torch.Generator,
    go_on: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Score images [B, 3, H, W] under random views.

    Returns the terms by name and their weighted sum "total", each the mean [B] over the views, and the
    gradient [B, 3, H, W] of the total. Each member of the objective sees views of its own. Views that it has
    prepared to one size go through it together, up to MAX_BATCH images at a time. A view may show several copies of
    all images, one after the other: their mean counts. `go_on` is called between the parts of the work, and ends it by
    what it raises.
    """
    images = images.detach().requires_grad_()
    losses: dict[str, Tensor] = {}
    gradient = torch.zeros_like(images)
    for member in objective.members():
        for drawn in _turns(views, images):
            by_size: dict[torch.Size, list[Tensor]] = {}
            for _ in range(drawn):
                go_on()
                seen = member.prepare(view(images, rng))
                by_size.setdefault(seen.shape, []).append(seen)
            for seen_alike in by_size.values():
                shown = views * (len(seen_alike[0]) // len(images))
                together = max(1, MAX_BATCH // len(seen_alike[0]))
                for start in range(0, len(seen_alike), together):
                    go_on()
                    terms = member.evaluate(torch.cat(seen_alike[start : start + together]))
                    weighted = total(terms)
                    if not weighted.requires_grad:
                        raise StudioError(
                            f"A model gives no gradient of its {', '.join(term.name for term in terms)}: a picture is "
                            "made, and a photo attacked, by following it. Choose another model, or let that one "
                            "compute with gradients (without torch.no_grad or detach)."
                        )
                    go_on()
                    gradient += torch.autograd.grad(weighted.sum() / shown, images)[0]
                    values = {term.name: term.value for term in terms} | {"total": weighted}
                    for name, value in values.items():
                        per_image = value.detach().view(-1, len(images)).sum(dim=0) / shown
                        losses[name] = losses[name] + per_image if name in losses else per_image
    go_on()
    losses["total"] = losses.pop("total")  # the last, after the terms of all members
    return losses, gradient


def _turns(views: int, images: Tensor) -> Iterator[int]:
    """How many of the views of all images to draw in each turn, so that memory has a limit."""
    pixels = len(images) * images.shape[2] * images.shape[3]
    at_once = max(1, MAX_PIXELS // pixels)
    for done in range(0, views, at_once):
        yield min(at_once, views - done)


def _go_on(give_up: Callable[[], bool], images: Tensor, updates: int) -> None:
    """Abandon a step whose images [B, 3, H, W] have seen so many updates, unless it is the first, if that is wanted."""
    if updates and give_up():
        raise AbandonedError(images, updates)


def _diverged(index: int, good: Tensor | None, updates: int) -> DivergedError:
    if good is None:
        return DivergedError(
            "The very first loss is not a number: the weights of the model are damaged or do not fit it. "
            "Choose another model, or load this one again.",
            None,
            0,
        )
    return DivergedError(
        f"The optimisation left the range of numbers at step {index}: the learning rate is too high. "
        "Lower it (try a tenth) or normalise the gradient; the last good picture is kept.",
        good,
        max(0, updates),
    )
