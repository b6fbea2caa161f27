"""Accuracy against eps, steps and EOT as units of work of an evaluation; see `sweep` for how they are measured."""

from collections.abc import Callable

import torch

from robust_model.attacks import PgdConfig
from robust_model.evaluation.config import EvalConfig
from robust_model.evaluation.journal import Entry
from robust_model.evaluation.plan import generator_of
from robust_model.evaluation.sweep import Ladder, SweepConfig, convergence, epsilon_sweep
from robust_model.evaluation.units import Bench, noise_from

CURVES = {"sweep": epsilon_sweep, "convergence": convergence}
"""The report's curves, by name."""


def curve_unit(
    bench: Bench,
    config: EvalConfig,
    name: str,
    rows: torch.Tensor,
    right: torch.Tensor,
    on_progress: Callable[[int, int, str], None],
    should_stop: Callable[[], bool],
) -> Entry | None:
    """The report's curves `name` on the images `rows` (indices), of which `right` (bool) are right when clean.

    They are kept, or else measured and kept; None if that was stopped.
    """
    kept = bench.journal.get(name)
    if kept is not None:
        return kept
    images, labels = bench.images(rows)
    rng = generator_of(bench.seed, name)
    ladder = Ladder(
        bench.defence,
        images,
        labels,
        right.to(images.device),
        bench.referee(name, "judge").stands,
        noise_from(bench.defence, rng),
        rng,
        batch=config.batch,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    several = len(bench.defence.readout_names) > 1
    eot = config.eot if bench.defence.random else 1
    swept = SweepConfig(
        attack=PgdConfig(loss="margin", steps=20, restarts=1, eps=config.eps, eot=eot),
        sources=("defence", "mean") if several else ("defence",),
        batch=config.batch,
    )
    found = CURVES[name](ladder, swept)
    return None if ladder.stopped else bench.journal.put(name, {}, found)
