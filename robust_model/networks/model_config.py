"""What a model is: everything that is needed to build the network again."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from robust_model.networks.crossmax import find_aggregator
from robust_model.networks.stack import StackConfig


class ModelConfig(BaseModel):
    """Everything needed to build the network again. Frozen, validated, JSON.

    `backbone` is one of `robust_model.networks.backbones.BACKBONES`: "cifar-resnet" (with `widths` and `blocks`),
    "packaged:NAME" (of a classifier that a package brings, as `lite0`), "torchvision:NAME" or "timm:NAME"; `input_size`
        is the side that the backbone sees (the stack is scaled up to it, bicubic); `readout_depths` are depths of the
    chain (see `networks`); the last predictor is always the
    backbone's own linear head, on top of them. `mean` and `std` normalise each RGB triple. `inference_noise` says what
    a plain call does: "off" (the centre of every distribution, so that the model is deterministic) or "fresh" (new
    random numbers at each call). The answer combines the `voters` deepest predictors (0: all) by `aggregator`, and is
    divided by `temperature` (see `calibration`), which changes probabilities and no decision. With `mirror` every
    predictor's logits are the mean over the image and its mirror image, so that the two are answered alike; a pass then
    costs two. With `separate_final_pass` the backbone's own head gets a pass of its own, with noise of its own, as in
    the authors' notebook, where everything else takes one pass; of frozen noise both passes get the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_names: tuple[str, ...]
    stack: StackConfig = StackConfig()
    backbone: str = "cifar-resnet"
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (1, 2, 3)
    input_size: int = Field(32, ge=8)
    readout_depths: tuple[int, ...] = ()
    readout: Literal["pooled", "flattened"] = "pooled"
    aggregator: str = "last"
    voters: int = Field(0, ge=0)
    mirror: bool = False
    separate_final_pass: bool = False
    inference_noise: Literal["off", "fresh"] = "off"
    temperature: float = Field(1.0, gt=0)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def readout_names(self) -> tuple[str, ...]:
        """The predictors' names, in the order of the logits."""
        return (*(f"layer {depth}" for depth in self.readout_depths), "final")

    @property
    def image_size(self) -> int:
        """The side of the images that the model sees: others are scaled to it."""
        return self.stack.size

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if len(self.class_names) < 2:
            raise ValueError("a classifier needs at least two classes")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError("every class needs a name of its own")
        if not self.widths or len(self.widths) != len(self.blocks) or min(*self.widths, *self.blocks) < 1:
            raise ValueError(f"widths {self.widths} and blocks {self.blocks} must be equally many positive numbers")
        if min(self.std) <= 0:
            raise ValueError(f"the standard deviations must be positive: {self.std}")
        if list(self.readout_depths) != sorted(set(self.readout_depths)):
            raise ValueError(f"read-out depths must increase: {self.readout_depths}")
        predictors = len(self.readout_depths) + 1
        if self.voters > predictors:
            raise ValueError(f"{self.voters} voters are more than the {predictors} predictors there are")
        find_aggregator(self.aggregator, predictors=self.voters or predictors)
        return self


class EnsembleConfig(BaseModel):
    """Several self-ensembles as one model. Frozen, validated, JSON.

    The answer combines the `members`' answers by `aggregator`, divided by `temperature`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: tuple[ModelConfig, ...] = Field(min_length=1)
    aggregator: str = "crossmax-median"
    temperature: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "EnsembleConfig":
        if any(member.class_names != self.class_names for member in self.members):
            raise ValueError("an ensemble needs members that know the same classes in the same order")
        find_aggregator(self.aggregator, predictors=len(self.members))
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, which all members share."""
        return self.members[0].class_names

    @property
    def readout_names(self) -> tuple[str, ...]:
        """The predictors' names, in the order of the logits."""
        return tuple(f"member {number}" for number in range(1, len(self.members) + 1))

    @property
    def image_size(self) -> int:
        """The side of the largest images that a member sees: others are scaled to its own."""
        return max(member.image_size for member in self.members)

    @property
    def voters(self) -> int:
        """All members take part in the answer (0, as in a `ModelConfig`)."""
        return 0

    @property
    def inference_noise(self) -> Literal["off", "fresh"]:
        """Whether any member draws random numbers at a plain call."""
        return "fresh" if any(member.inference_noise == "fresh" for member in self.members) else "off"
