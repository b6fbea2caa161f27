"""The report of an evaluation as values: every field by name, with its type, its bounds and what it means.

`robust_model/reports/report.schema.json` is made from these by `python scripts/report_schemas.py`. A field that is
added is a `Maybe`, which the reports on disk lack; any other change is a new `SCHEMA`, with a step in `migration`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from robust_model.attacks import ATTACKS, AnyAttack, PgdConfig
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.values import (
    Count,
    Distance,
    DrawCounts,
    Flag,
    GradientCounts,
    Look,
    Mask,
    Maybe,
    Number,
    Numbers,
    Passes,
    Positive,
    Proportion,
    Reported,
    Seconds,
    Share,
    WorstDrawCounts,
)

SCHEMA = 2
"""The version of the report."""
Verdict: TypeAlias = Literal["found", "not found", "not tested"]
Axis: TypeAlias = Literal["eps", "steps", "eot"]


def _whole(value: object, kind: type[BaseModel]) -> object:
    """Settings out of a file, all of which must be there: a default would say what nobody recorded."""
    if isinstance(value, Mapping):
        missing = next((name for name in kind.model_fields if name not in value), None)
        if missing is not None:
            raise ValueError(f"it lacks '{missing}'")
    return value


def _whole_attack(value: object) -> object:
    wanted = value.get("kind") if isinstance(value, Mapping) else None
    kind = ATTACKS.get(wanted) if isinstance(wanted, str) else None
    return value if kind is None else _whole(value, kind.config)


def _whole_config(value: object) -> object:
    attacks = value.get("attacks") if isinstance(value, Mapping) else None
    for attack in attacks if isinstance(attacks, list | tuple) else ():
        _whole_attack(attack)
    return _whole(value, EvalConfig)


WholeConfig: TypeAlias = Annotated[EvalConfig, BeforeValidator(_whole_config)]
WholeAttack: TypeAlias = Annotated[AnyAttack, BeforeValidator(_whole_attack)]
WholePgd: TypeAlias = Annotated[PgdConfig, BeforeValidator(lambda value: _whole(value, PgdConfig))]


class Data(Reported):
    """The images."""

    source: str = Field(description="The data set and its split.")
    n: Count = Field(description="How many images.")
    indices: tuple[Count, ...] = Field(description="Their places in the split, in the order of the lists per image.")
    class_names: tuple[str, ...] | None = Field(
        description="The model's classes, which the labels count; null where they were not recorded (version 1)."
    )


class DefenceFacts(Reported):
    """How an answer is made."""

    aggregator: str = Field(description="How the predictors are combined.")
    voters: Positive = Field(description="How many of them, the deepest, take part.")
    noise: Literal["off", "fresh"] = Field(description="Whether random numbers are drawn anew at every pass.")
    draws: Positive = Field(description="Passes whose majority is a verdict.")


class AutoAttackFigures(Reported):
    """AutoAttack's own figure, and the same images re-scored."""

    own_accuracy: Share = Field(description="What stands by its own count: one wrong answer breaks an image.")
    rescored_accuracy: Share = Field(description="What stands by the majority of fresh draws.")
    warnings: tuple[str, ...] = Field(description="What AutoAttack says of the model.")


class _Attack(Reported):
    name: str = Field(description="The attack's name, unlike any other in the report.")
    config: WholeAttack = Field(description="The attack, whole.")


class AttackReport(Proportion, _Attack):
    """What one attack left: images that stand, right when clean and not broken while it ran."""

    cumulative: Flag = Field(
        description="It met only the images that those before it left standing: its accuracy is what is left after "
        "all of them."
    )
    attacked: Count | None = Field(
        description="How many images it attacked; of an attack on a sample, those in it. Null: not recorded (version "
        "1), as below."
    )
    rescored: Proportion | None = Field(
        description="What it returned, judged again by the majority of fresh draws; null: not recorded."
    )
    passes: Passes | None = Field(description="What it took, its verdicts included; null: not recorded.")
    seconds: Seconds | None = Field(description="The time that it took; null: not recorded.")
    distance_max: Distance | None = Field(description="The largest change that it made; null: not recorded.")
    tied: Maybe[Count] = Field(
        None,
        description="Of how many images that it broke the true class's logit is as high as any, so that the order of "
        "the classes decides.",
    )
    accounting: Maybe[DrawCounts] = Field(None, description="Of a model that answers at random: other counts.")
    zero_gradients: Maybe[Count] = Field(None, description="Images whose first gradient was exactly zero.")
    ends: Maybe[Look] = Field(
        None,
        description="The gradient of the defended answer where the attack ended, at some images that it left standing.",
    )
    autoattack: Maybe[AutoAttackFigures] = Field(None, description="Of AutoAttack: its own figure.")


class _Finished(Reported):
    attacks: Annotated[tuple[str, ...], Field(min_length=1)] = Field(description="The names of the finished attacks.")


class FinishedWorstCase(Proportion, _Finished):
    """The worst case over the attacks that have met every image, while others still go on."""


class Accounting(Reported):
    """A random model's figures by other counts than the majority."""

    clean: DrawCounts = Field(description="Of the clean images.")
    worst_case: WorstDrawCounts = Field(description="Of the worst case over all attacks.")


class PerImage(Reported):
    """One entry for each image, in the order of `data.indices`."""

    label: tuple[Count, ...] = Field(description="The true class, by its number.")
    clean: Mask = Field(description="Right when clean, by majority.")
    counted: Mask = Field(description="Met every attack, or wrong from the start.")
    standing: dict[str, Mask] = Field(description="By attack: right when clean and not broken by it.")
    own: Maybe[dict[str, Mask]] = Field(
        None, description="Of attacks that keep a count of their own: what stands by it."
    )


class Sample(Reported):
    """One adversarial example: PNG files beside the report, and each read-out's answer before and after."""

    attack: str = Field(description="The attack's name.")
    index: Count = Field(description="The image's place in the split.")
    label: str = Field(description="The true class.")
    clean: str = Field(description="A file, relative to the report's folder.")
    adversarial: str = Field(description="A file, relative to the report's folder.")
    distance: Distance = Field(description="The largest change, as saved.")
    before: dict[str, str] = Field(description="By read-out: the class that it names when clean.")
    after: dict[str, str] = Field(description="By read-out: the class that it names afterwards.")


class Finding(Reported):
    """One sign of gradient masking: what was concluded, why in words, and the numbers it rests on."""

    sign: str = Field(description="Its name.")
    verdict: Verdict = Field(description="What was concluded.")
    evidence: str = Field(description="Why; of what was not tested, what would test it.")
    numbers: Numbers = Field(description="The numbers of the test.")


class _At(Reported):
    value: Count | Annotated[float, Field(strict=True, ge=0)] = Field(description="What was varied.")


class CurvePoint(Proportion, _At):
    """The accuracy at one value of what is varied."""


class Curve(Reported):
    """Accuracy against one thing that is varied. An image that is broken at one value counts as broken at all later."""

    name: str = Field(description="The attack's name.")
    axis: Axis = Field(description="What is varied: the budget, the steps, or the passes averaged for a gradient.")
    config: WholePgd = Field(description="The attack at the first value.")
    points: tuple[CurvePoint, ...] = Field(description="By rising value, until nothing stands.")
    broken_at: tuple[Number | None, ...] = Field(
        description="For each image the first value that broke it; null: none did; -1: wrong when clean."
    )


class Curves(Reported):
    """Accuracy against epsilon (sweep), or against steps or passes per gradient (convergence)."""

    complete: Flag = Field(description="False if it was stopped.")
    n: Count = Field(description="Images that were measured on.")
    clean_correct: Count = Field(description="Of these, images that are right when clean.")
    curves: tuple[Curve, ...] = Field(description="One for each source and each thing that is varied.")
    passes: Passes = Field(description="What all of them took; not part of the report's own.")
    seconds: Seconds = Field(description="The time that they took.")


class Diagnostics(GradientCounts):
    """The gradient of the defended answer at images that are right when clean."""

    random: Flag = Field(description="Whether the defence says that it is random.")
    draws: Positive = Field(description="Passes over which gradients are summed.")
    step: Distance = Field(description="The length of the step that tests a gradient.")
    median_margin: Number | None = Field(description="True logit minus the best other one; null of no images.")
    answers_vary: Flag | None = Field(description="Whether two passes answer differently; null of no images.")
    gradients_vary: Flag | None = Field(description="Whether two passes have different gradients; null of none.")
    ball: Maybe[Look] = Field(None, description="The same at random points of the ball.")


class HowFar(Reported):
    """How far an evaluation is that still runs."""

    done: Count = Field(description="Passes that are done.")
    total: Count = Field(description="Passes that there will be at most.")
    message: str = Field(description="What is going on.")


class EvaluationReport(Reported):
    """What an evaluation measured: accuracies with their counts and 95 % Wilson intervals, passes counted in images.

    L-inf distances and budgets are in [0, 1] pixel units.
    """

    version: Literal[2] = Field(alias="schema", description="The version of this format.")
    complete: Flag = Field(description="False while the evaluation runs, and if it was stopped.")
    config: WholeConfig = Field(description="The configuration, whole.")
    suites: tuple[str, ...] = Field(description="The suites whose attacks were run.")
    data: Data = Field(description="The images.")
    defence: DefenceFacts = Field(description="How an answer is made.")
    clean: Proportion = Field(description="Images that are right, by majority.")
    clean_by_readout: dict[str, Proportion] = Field(description="The same of each read-out alone.")
    attacks: tuple[AttackReport, ...] = Field(description="Attack by attack, those that have met any image.")
    worst_case: Proportion | None = Field(
        description="The headline: images that stand under every attack, each by majority over the draws; null if no "
        "image met every attack."
    )
    worst_case_finished: Maybe[FinishedWorstCase] = Field(
        None,
        description="Of an evaluation that is not complete: images that stand under all attacks that have met every "
        "image. Left out where there are none, or all of them are finished.",
    )
    accounting: Accounting | None = Field(description="A random model's other counts; null of another.")
    per_image: PerImage = Field(description="The verdicts, image by image.")
    passes: Passes = Field(description="What all of it took, but for diagnostics and curves.")
    seconds: Seconds = Field(description="The time that the finished work took.")
    versions: dict[str, str] = Field(description="Versions of the programs, by name.")
    device: str = Field(description="What it was computed on.")
    warnings: tuple[str, ...] = Field(description="What bears on the figures, in sentences.")
    samples: tuple[Sample, ...] = Field(description="Some adversarial examples.")
    diagnostics: Maybe[Diagnostics] = Field(None, description="What gradients are worth, once they were looked at.")
    sweep: Maybe[Curves] = Field(None, description="Accuracy against epsilon, where it was asked for.")
    convergence: Maybe[Curves] = Field(None, description="Accuracy against steps and passes per gradient.")
    findings: tuple[Finding, ...] = Field(description="Signs of gradient masking; none before an attack has begun.")
    command: Maybe[str] = Field(None, description="The command that makes this report again.")
    progress: Maybe[HowFar] = Field(None, description="Of an evaluation that runs: how far it is.")

    @model_validator(mode="after")
    def _lists_are_of_all_images(self) -> Self:
        rows, n = self.per_image, self.data.n
        lists: dict[str, tuple[object, ...]] = {"data.indices": self.data.indices, "per_image.label": rows.label}
        lists |= {"per_image.clean": rows.clean, "per_image.counted": rows.counted}
        lists |= {f"per_image.standing.{name}": mask for name, mask in rows.standing.items()}
        lists |= {f"per_image.own.{name}": mask for name, mask in (rows.own or {}).items()}
        other = next((name for name, values in lists.items() if len(values) != n), None)
        if other is not None:
            raise ValueError(f"'{other}' has {len(lists[other])} entries for {n} images")
        return self

    def text(self) -> str:
        """The report as it is written to a file: JSON in one line."""
        return json.dumps(self.to_json(), separators=(",", ":"))
