"""From a recipe to pictures in memory: the steps are taken, the best is kept, what ran away is drawn anew.

Nothing is written here. `generator.production.production` saves what comes out, with a record; programs may take it as
it is.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from generator.optimisers.loop import AbandonedError, DivergedError, Step
from generator.production.redrawing import Drawn, Runaway, draw_anew
from generator.recipes.checks import may_end_early
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.apart import rendered
from generator.synthesis.models import Model
from generator.synthesis.plan import Plan, plan_of
from generator.synthesis.synthesis import Synthesis, follow

LOOKS = 20
"""How often the best step is looked for on the way."""


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        recipe: that makes exactly these images again; its steps are those that were taken.
        synthesis: it came from.
        images: [B, 3, H, W] in [0, 1], float32, as they come back from an 8-bit file.
        losses: by their names, a list of steps of a value for each image.
        stopped: whether it ended before all steps were taken, and before they were enough.
        enough: whether it ended since the models were sure.
        runaways: pictures that ran away.
        diverged: the error that ended it, if one did; the images are the last good ones.
        held: whether the prior of `synthesis` holds these very images.
    """

    recipe: Recipe
    synthesis: Synthesis
    images: Tensor
    losses: Mapping[str, list[list[float]]]
    stopped: bool = False
    enough: bool = False
    runaways: tuple[Runaway, ...] = ()
    diverged: DivergedError | None = None
    held: bool = True


@dataclass
class _Progress:
    """What is collected while the steps go by."""

    images: Tensor
    updates: int = 0
    stopped: bool = False
    enough: bool = False
    held: bool = True
    losses: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.updates = step.index
        for name, values in step.losses.items():
            self.losses.setdefault(name, []).append(values)


def make(
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    pictures: Pictures = NO_PICTURES,
    device: torch.device | str = "cpu",
    on_step: Callable[[Step], None] = lambda _step: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_anew: Callable[[Step, int], None] = lambda _step, _seed: None,
) -> Made:
    """Make the images of a recipe.

    `pictures`, `on_step` and `should_stop` are as for `generator.production.production.produce`; `should_stop` is asked
    in the middle of steps, too, and what was done of one by then does not count. Raises
    StudioError for what does not fit, and DivergedError where no image has seen a step before it.
    """
    plan = plan_of(recipe, models, pictures, device)
    synthesis = follow(plan, should_stop)
    progress = _Progress(synthesis.start)
    diverged: DivergedError | None = None
    try:
        _run(synthesis, progress, on_step, should_stop)
    except DivergedError as error:
        if error.images is None or error.updates == 0:
            raise
        diverged, progress.images, progress.updates, progress.held = error, error.images, error.updates, False
    runaways: list[Runaway] = []
    if not (diverged or progress.stopped or synthesis.source is not None):
        drawn = Drawn(synthesis, progress.images, progress.losses)

        def again(seed: int) -> Drawn | None:
            single = plan.completed(seed=seed, images=1, redraw=0)
            return _again(single, progress, on_anew, should_stop)

        (synthesis, progress.images, losses), runaways = draw_anew(drawn, again)
        progress.losses = {name: [list(values) for values in steps] for name, steps in losses.items()}
    made = synthesis.recipe.completed(steps=progress.updates)
    return Made(
        made,
        synthesis,
        synthesis.saved(progress.images),
        progress.losses,
        stopped=progress.stopped,
        enough=progress.enough,
        runaways=tuple(runaways),
        diverged=diverged,
        held=progress.held,
    )


def _again(
    single: Plan,
    progress: _Progress,
    on_anew: Callable[[Step, int], None],
    should_stop: Callable[[], bool],
) -> Drawn | None:
    """Draw one picture in place of one that ran away; None if it was stopped (which `progress` is told) or diverged."""
    synthesis = follow(single, should_stop)
    own = _Progress(synthesis.start)
    try:
        _run(synthesis, own, lambda step: on_anew(step, single.recipe.seed), should_stop)
    except DivergedError:
        return None
    progress.stopped = own.stopped
    return None if own.stopped else Drawn(synthesis, own.images, own.losses)


def _run(
    synthesis: Synthesis,
    progress: _Progress,
    on_step: Callable[[Step], None],
    should_stop: Callable[[], bool],
) -> None:
    """Take the steps, until they are done or somebody wants to stop; leave what came out in `progress`."""
    every = between_looks(synthesis.recipe)
    try:
        with contextlib.closing(synthesis.steps) as steps:
            for step in steps:
                progress.add(step)
                on_step(step)
                ends = step.index == step.steps or should_stop()
                if ends or step.index % every == 0:
                    _look(synthesis, step.image)
                progress.enough = bool(synthesis.looks) and all(best.has_enough for best in synthesis.looks)
                if ends or progress.enough:
                    progress.images = step.image()
                    progress.stopped = step.index < step.steps and not progress.enough
                    break
    except AbandonedError as error:
        progress.images, progress.stopped = error.images, True
        progress.held = len(synthesis.seeds) <= 1 or bool(synthesis.looks)
        if progress.updates % every:
            images = error.images
            _look(synthesis, lambda: images)
    if synthesis.looks:
        for best in synthesis.looks:
            best.settle()
        progress.images = rendered(synthesis.prior)


def _look(synthesis: Synthesis, images: Callable[[], Tensor]) -> None:
    """Let those who remember the best step look at the images [B, 3, H, W], where there are any."""
    if synthesis.looks:
        for best, seen in zip(synthesis.looks, images().chunk(len(synthesis.looks)), strict=True):
            best.look(seen)


def between_looks(recipe: Recipe) -> int:
    """Steps from one look at the pictures to the next.

    By the plan, so that a run that was stopped, and is made again with fewer steps, looks at the same moments. A look
    costs a third of a view's pass: an attack that may end early has few steps, and spends no more on it than on those.
    """
    return max(2 if may_end_early(recipe) else 1, (recipe.planned_steps or recipe.steps) // LOOKS)
