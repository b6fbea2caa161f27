"""Several pictures side by side, each made by itself: picture i of a batch of seed s is the picture of seed s + i.

Every picture has a prior, an objective, an optimiser and random numbers of its own, as if it were made alone, and
goes through the models alone: a network may round otherwise where it gets several images at once. They take their
steps in turn, so that all have seen the same number of updates whenever somebody looks.
"""

import contextlib
from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from generator.optimisers.loop import AbandonedError, Canvas, DivergedError, Step
from generator.priors.bounds import Bound
from generator.priors.prior import Prior


class PriorsApart(Prior):
    """Priors of one picture each, to be looked at as one of several. Each is moved by an optimiser of its own."""

    def __init__(self, priors: Sequence[Prior], bound: Bound) -> None:
        """Take the priors, on one canvas, and the bound of all pictures together."""
        super().__init__(priors[0].operator, bound, batch=len(priors))
        self.priors = tuple(priors)

    @property
    def unit(self) -> float:
        return self.priors[0].unit

    def project(self) -> None:
        for prior in self.priors:
            prior.project()

    def leaves(self) -> list[Tensor]:
        return [leaf for prior in self.priors for leaf in prior.leaves()]

    def _state(self) -> list[Tensor]:
        return [tensor for prior in self.priors for tensor in prior._state()]

    def render(self) -> Tensor:
        return torch.cat([prior.render() for prior in self.priors])

    def _sum(self) -> Tensor:
        return torch.cat([prior._sum() for prior in self.priors])

    def _layer(self, index: int) -> Tensor:
        return torch.cat([prior._layer(index) for prior in self.priors])

    def _layers(self) -> list[Tensor]:
        return [torch.cat(layers) for layers in zip(*(prior._layers() for prior in self.priors), strict=True)]


def in_turn(
    parts: Sequence[Generator[Step]], prior: PriorsApart, steps: int, canvas: Canvas | None = None
) -> Generator[Step]:
    """Take the steps of several pictures in turn, and yield one `Step` of all after each round.

    `parts` take the steps of one picture each, whose priors are those of `prior`, on a `canvas` of all. DivergedError
    for all where one diverges, with all of them as they were after as many updates as its last good picture has seen;
    AbandonedError likewise.
    """
    held: list[Step] = []
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.callback(part.close)
        start = [rendered(one) for one in prior.priors]
        for index in range(1, steps + 1):
            new: list[Step] = []
            for part in parts:
                try:
                    new.append(next(part))
                except DivergedError as error:
                    images = _all_after(error, index, held, new, start)
                    raise DivergedError(str(error), images, error.updates) from error
                except AbandonedError as error:
                    images = _all_after(error, index, held, new, start)
                    assert images is not None
                    raise AbandonedError(images, error.updates) from error
            held = new
            columns = zip(*(one.losses.items() for one in new), strict=True)
            losses = {column[0][0]: [value for _, values in column for value in values] for column in columns}
            step = Step(index, steps, losses, prior, canvas=canvas)
            yield step
            if index < steps:
                step.end()


@torch.no_grad()
def rendered(prior: Prior) -> Tensor:
    """The images [B, 3, H, W] of a prior as they are, detached."""
    return prior.render().detach().clone()


def _all_after(
    error: DivergedError | AbandonedError,
    index: int,
    held: Sequence[Step],
    new: Sequence[Step],
    start: Sequence[Tensor],
) -> Tensor | None:
    """All pictures after the updates that the last good one of a picture has seen that ended, if there is one.

    That is one step or two before step `index`, which the pictures before it (`new`) have taken already, and those
    behind it have not (`held`: the step before).
    """
    if error.images is None:
        return None
    diverged = len(new)
    images = list(start)
    for place in range(len(start)):
        if place == diverged:
            images[place] = error.images
        elif error.updates == index - 1 and index > 1:
            images[place] = new[place].before if place < diverged else held[place].image()
        elif index > 2:
            images[place] = held[place].before
    return torch.cat(images)
