"""What every read-out makes of images that were attacked through each of some: behind `layers` and `transfer`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from robust_model.analyses.base import BudgetConfig, Material, Monitor
from robust_model.analyses.bench import ReadOut, Workbench, over_batches
from robust_model.attacks import Defence, PgdConfig
from robust_model.evaluation.record.values import Count, Reported

FINAL_ITERATES = (
    "Attacks run for their whole number of steps from one random start and are judged by their final iterate, the "
    "same one for every read-out. No image leaves at its first misclassification: an image that stops where the "
    "attacked read-out just fails has barely crossed its boundary, and the others would seem sturdier than they are. "
    "So these are no worst cases over an attack's path; `evaluate` measures those."
)


Rows = tuple[tuple[Count, ...], ...]


class AnswersPerImage(Reported):
    """The class that each read-out names, image by image."""

    label: tuple[Count, ...] = Field(description="The true class.")
    clean: Rows = Field(description="For each image, by read-out: what is named when it is clean.")
    attacked: dict[str, Rows] = Field(description="By the attacked read-out: the same after the attack.")


@dataclass(frozen=True)
class Answers:
    """The classes named by R read-outs: `clean` [n, R], `attacked` [A, n, R] (through each of A), all int64.

    `labels` int64 [n].
    """

    labels: Tensor
    clean: Tensor
    attacked: Tensor

    @property
    def clean_right(self) -> Tensor:
        """Bool [n, R]."""
        return self.clean == self.labels[:, None]

    @property
    def attacked_right(self) -> Tensor:
        """Bool [A, n, R]."""
        return self.attacked == self.labels[:, None]


def pgd(
    config: BudgetConfig, defence: Defence, source: str, *, restarts: int = 1, continues: bool = False
) -> PgdConfig:
    """The attack of an analysis on one source; where there is no noise, one pass is the expectation over it."""
    return PgdConfig(
        source=source,
        loss=config.loss,
        eps=config.eps,
        steps=config.steps,
        restarts=restarts,
        eot=config.eot if defence.random else 1,
        continues=continues,
    )


def under_attack(
    defence: Defence,
    config: BudgetConfig,
    material: Material,
    monitor: Monitor,
    *,
    sources: Sequence[ReadOut],
    tested: Sequence[ReadOut],
) -> Answers:
    """Attack the material's images through each of `sources` for all steps, and ask each of `tested` about the result.

    A stop keeps the batches that met every attack.
    """
    bench = Workbench(defence, config, material, monitor)
    attacks = [pgd(config, defence, source.source) for source in sources]
    monitor.begin(len(material.images) * sum(attack.units for attack in attacks))

    def work(images: Tensor, labels: Tensor, place: str) -> tuple[Tensor, Tensor, Tensor]:
        clean, attacked = bench.answers(images, tested, place), []
        for attack in attacks:
            last = bench.attack(images, labels, attack, place, to_the_end=True).last[0]
            attacked.append(bench.answers(last, tested, f"{attack.name}, {place}"))
        return labels.cpu(), clean.cpu(), torch.stack(attacked).cpu()

    labels, clean, attacked = zip(*over_batches(material, config.batch, work, monitor), strict=True)
    return Answers(torch.cat(labels), torch.cat(clean), torch.cat(attacked, dim=1))


def per_image(answers: Answers, sources: Sequence[ReadOut]) -> AnswersPerImage:
    """The answers, image by image: [n][R] for clean images and for each source."""
    return AnswersPerImage(
        label=answers.labels.tolist(),
        clean=answers.clean.tolist(),
        attacked={s.title: found.tolist() for s, found in zip(sources, answers.attacked, strict=True)},
    )
