"""Accuracy against eps, steps and EOT as units of work of an evaluation; see `sweep` for how they are measured."""

from collections.abc import Callable, Mapping

import torch

from foundation.progress import Progress
from robust_model.attacks import Defence, PassCount, PgdConfig
from robust_model.evaluation.plan import generator_of
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.schema import Curves
from robust_model.evaluation.sweep import Ladder, SweepConfig, convergence, epsilon_sweep, most_passes
from robust_model.evaluation.units import Bench, noise_from

CURVES: Mapping[str, Callable[[Ladder, SweepConfig], Curves]] = {"sweep": epsilon_sweep, "convergence": convergence}
"""The report's curves, by name."""


def _swept(defence: Defence, config: EvalConfig) -> SweepConfig:
    """What is swept for an evaluation."""
    several = len(defence.readout_names) > 1
    eot = config.eot if defence.random else 1
    return SweepConfig(
        attack=PgdConfig(loss="margin", steps=20, restarts=1, eps=config.eps, eot=eot),
        sources=("defence", "mean") if several else ("defence",),
        batch=config.batch,
    )


def curve_costs(defence: Defence, config: EvalConfig, n: int) -> dict[str, PassCount]:
    """The passes that each of the curves takes at most, of an evaluation on `n` images; none where none is wanted."""
    count, swept = min(config.sweep, n), _swept(defence, config)
    return {name: most_passes(swept, name, random=defence.random) * count for name in CURVES} if count else {}


def curve_unit(
    bench: Bench,
    config: EvalConfig,
    name: str,
    rows: torch.Tensor,
    right: torch.Tensor,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> Curves | None:
    """The report's curves `name` on the images `rows` (indices), of which `right` (bool) are right when clean.

    They are kept, or else measured and kept; None if that was stopped.
    """
    kept = bench.journal.get(name)
    if kept is not None:
        return kept.read(Curves)
    images, labels = bench.images(rows)
    rng = generator_of(bench.seed, name)
    ladder = Ladder(
        bench.attacked,
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
    found = CURVES[name](ladder, _swept(bench.defence, config))
    if ladder.stopped:
        return None
    bench.journal.put(name, {}, found)
    return found
