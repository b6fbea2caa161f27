"""Training and evaluation as jobs: the same for the app's queue and for the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from foundation.cluster.cluster import Cluster
from foundation.progress import Progress
from foundation.protocols import JobContext
from robust_model.data.datasets import LabelledSet
from robust_model.evaluation.engine import evaluate_model
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.training.run import EpochLine, TrainingRun, TrainProgress
from robust_model.zoo.subjects import EvaluatedModel

CHECKPOINT_SECONDS = 120.0
"""How much of a training run a power cut may cost."""


def evaluate_job(
    context: JobContext,
    config: EvalConfig,
    model: EvaluatedModel,
    folder: Path | None = None,
    *,
    data: LabelledSet | None = None,
    cluster: Cluster | None = None,
) -> EvaluationReport:
    """Evaluate a model, and return the report; its `complete` says whether it was stopped early.

    What is found is kept in `folder`, from where the same evaluation, or one with more attacks, goes on. `data` are
    images to take in place of those that the configuration names. With a `cluster` its workers do it.
    """

    return evaluate_model(
        config,
        model,
        folder,
        data=data,
        on_progress=context.progress,
        should_stop=lambda: context.stop_requested,
        cluster=cluster,
    )


class Trained(NamedTuple):
    """How far a run is, whether it is `complete`, and the lines of the epochs that ended meanwhile."""

    complete: bool
    step: int
    steps: int
    epochs: list[EpochLine]


def train_job(
    context: JobContext,
    run: TrainingRun,
    *,
    checkpoint_every_s: float = CHECKPOINT_SECONDS,
    on_epoch: Callable[[EpochLine], None] = lambda _epoch: None,
) -> Trained:
    """Train to the end, or until the job is stopped; return how far the run is, and this job's epochs."""
    epochs: list[EpochLine] = []

    def report(progress: TrainProgress) -> None:
        losses = {"loss": progress.loss}
        if progress.epoch is not None:
            epochs.append(progress.epoch)
            on_epoch(progress.epoch)
            held_out = {name: value for name, value in progress.epoch.items() if name.startswith("holdout")}
            losses |= {name: value for name, value in held_out.items() if not isinstance(value, str)}
        rate = max(0.0, progress.learning_rate)  # that of the next step, which after the last one is none
        context.progress(Progress(progress.step, progress.steps, f"Learning rate {rate:.3g}", losses=losses))

    # A resumed run does not begin at 0: said before its first step, that is not mistaken for speed.
    context.progress(Progress(run.step, run.steps, "Training"))
    complete = run.run(report, lambda: context.stop_requested, checkpoint_every_s=checkpoint_every_s)
    return Trained(complete, run.step, run.steps, epochs)
