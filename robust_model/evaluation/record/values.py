"""Values that every report is made of: numbers with their bounds, and proportions with their counts and intervals."""

from typing import Annotated, Self, TypeAlias, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from robust_model.attacks import PassCount

Count: TypeAlias = Annotated[int, Field(strict=True, ge=0)]
Positive: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=1)]
Distance: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=1)]
"""L-inf, in [0, 1] pixel units."""
Seconds: TypeAlias = Annotated[float, Field(strict=True, ge=0)]
Number: TypeAlias = Annotated[float, Field(strict=True)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Mask: TypeAlias = tuple[Flag, ...]
"""One truth value for each image."""
Numbers: TypeAlias = dict[str, float | int | str]
_T = TypeVar("_T")


def _is_none(value: object) -> bool:
    return value is None


Maybe: TypeAlias = Annotated[_T | None, Field(exclude_if=_is_none)]
"""What a report may lack: None where it is left out, and left out where it is None."""


class Reported(BaseModel):
    """A part of a report. Frozen, validated, JSON: a field that is missing or unknown is refused.

    Only a `Maybe` may be left out. A field that takes null is written as null: older versions did not record it, or
    nothing is known yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, ser_json_inf_nan="constants")

    def to_json(self) -> dict[str, JsonValue]:
        """As plain JSON types, in the order of the fields."""
        return self.model_dump(mode="json")


class Parts(TypedDict):
    """The fields of a proportion, for a value that has them among its own."""

    accuracy: float
    correct: int
    n: int
    ci95: tuple[float, float]


class Proportion(Reported):
    """An accuracy, with its count and its interval."""

    accuracy: Share = Field(description="Correct of n; 0 of none.")
    correct: Count = Field(description="Images that are right.")
    n: Count = Field(description="Images that are counted.")
    ci95: tuple[Share, Share] = Field(description="The ends of the 95 % Wilson interval of the accuracy.")

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.correct > self.n:
            raise ValueError(f"{self.correct} of {self.n} images cannot be right")
        if self.ci95[0] > self.ci95[1]:
            raise ValueError("the interval ends before it begins")
        return self

    def parts(self) -> Parts:
        """Its fields."""
        return {"accuracy": self.accuracy, "correct": self.correct, "n": self.n, "ci95": self.ci95}


class Passes(Reported):
    """Passes of one image through the network."""

    forward: Count = Field(description="Forward passes.")
    backward: Count | None = Field(description="Backward passes; null where they were not recorded (version 1).")

    @classmethod
    def of(cls, passes: PassCount) -> Self:
        """These passes as a part of a report."""
        return cls(forward=passes.forward, backward=passes.backward)

    def counted(self) -> PassCount:
        """As a number that can be added; passes that were not recorded count as none."""
        return PassCount(self.forward, self.backward or 0)


class DrawCounts(Reported):
    """The accuracy of a model that answers at random, by other counts than the majority of its draws."""

    draws: Positive = Field(description="Passes over each image.")
    one_draw: Proportion = Field(description="Right in the first pass, as AutoAttack counts.")
    mean: Share = Field(description="The accuracy that is expected of one pass.")
    every_draw: Proportion = Field(description="Right in every pass.")


class WorstDrawCounts(Reported):
    """The same for the worst case over all attacks, which has no first draw."""

    draws: Positive = Field(description="Passes over each image.")
    mean: Share = Field(description="The mean over the passes, of each image at its worst.")
    every_draw: Proportion = Field(description="Right in every pass.")
    rescored: Proportion = Field(description="Right by the majority of fresh draws on what the attacks returned.")


class GradientCounts(Reported):
    """What the gradient of the defended answer is worth at some points, as counts of images."""

    n: Count = Field(description="Images that were looked at.")
    zero_gradient: Count = Field(description="Images where no loss has a gradient.")
    saturated_loss: Count = Field(description="Images where the margin has a gradient and cross-entropy has none.")
    stepped: Count = Field(description="Images with a gradient of the margin, along which a step was taken.")
    uphill: Count = Field(description="Of these, images where the step raises the loss as it promises.")
    faced: Maybe[Count] = Field(
        None, description="Images asked with and without gradients (of a deterministic defence)."
    )
    two_faced: Maybe[Count] = Field(None, description="Of these, images whose answer is another with gradients.")
    passes: Maybe[Passes] = Field(None, description="What looking took; not part of the report's own passes.")


class Look(GradientCounts):
    """Counts of one look, all of them."""

    faced: Count = Field(description="Images asked with and without gradients (of a deterministic defence).")
    two_faced: Count = Field(description="Of these, images whose answer is another with gradients.")
    passes: Passes = Field(description="What looking took.")
