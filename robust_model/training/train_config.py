"""What a training run is told: one type with every default."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from foundation.command_line.arguments import MOST_SEED
from robust_model.networks.ensemble import ModelConfig
from robust_model.training.adversary import ADVERSARIES

CHANGEABLE = ("epochs", "eps", "adversary_steps")
"""What a run may be told anew when it is resumed: how long it goes on, and against what."""


class TrainConfig(BaseModel):
    """A training run, whole. Frozen, validated, JSON.

    `phase`: "joint" trains backbone and read-outs together with `readout_weights` (one per predictor, the last
    is the backbone's own head); "backbone" trains the backbone through its own head alone; "readouts" trains all
    read-outs (or those at `trained_readouts`) in one pass over a frozen backbone, each by its own loss. There
    `backbone_mode` "eval" keeps the backbone's BatchNorm statistics still, and "train" normalises by the batch and
    lets them move. `start_from` is the folder of a run or an exported model whose weights are taken over ("phase:NAME":
    that phase of the same pipeline; "shipped:NAME": a model that came with the program); "readouts" needs one. Without
    it, `pretrained` starts a torchvision or timm backbone from its library's weights, read from `pretrained_file` if
    that is given, else from the cache of the library or the network. `learning_rate` is the peak of a one-cycle
    schedule (linear up over the `warmup` fraction, linear down
    to zero; `warmup` = -1: constant). `eps` is the adversary's L-inf budget in [0, 1] pixel units; `ema` the decay of
    the weights' moving average, which is what is exported (0: none). `teachers`
    are folders of runs or of exported models, or names of classifiers that packages bring: with the weight
    `teacher_weight`, what they say of the clean image, at `teacher_temperature`, takes the place of its label (see
    `teaching`); packages' see it at `teacher_side` pixels (0: at their own). `holdout` training images, chosen by
    `seed`, are
    kept for selection, and never trained on (a run that starts from another's weights should have its seed, or the
    holdout is not new to it). `batch` is that of all processes together; an epoch's last, incomplete one is left out
    unless `keep_last`.

    `bf16` computes in bfloat16 where that is safe (autocast); `compile` compiles the backbone (torch.compile), which
    pays on a GPU; `checkpointing` trades a third more time for much less memory (see `networks.Chain`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: ModelConfig
    data: str
    phase: Literal["joint", "backbone", "readouts"] = "joint"
    start_from: str = ""
    pretrained: bool = False
    pretrained_file: str = ""
    trained_readouts: tuple[int, ...] = ()
    backbone_mode: Literal["eval", "train"] = "eval"
    epochs: float = Field(28, gt=0, le=100_000)
    batch: int = Field(256, ge=2, le=1_000_000)
    keep_last: bool = False
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = Field(0.2, gt=0, le=1e6)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0, le=1e6)
    warmup: float = Field(0.2, ge=-1, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    readout_weights: tuple[float, ...] = ()
    teachers: tuple[str, ...] = ()
    teacher_weight: float = Field(0.5, ge=0, le=1)
    teacher_temperature: float = Field(1.0, gt=0, le=1000)
    teacher_side: int = Field(0, ge=0, le=4096)
    adversary: str = "none"
    eps: float = Field(8 / 255, ge=0, le=1)
    adversary_steps: int = Field(1, ge=1, le=100_000)
    flip: bool = True
    shift: int = Field(4, ge=0, le=4096)
    ema: float = Field(0.998, ge=0, lt=1)
    bf16: bool = False
    compile: bool = False
    checkpointing: bool = False
    holdout: int = Field(1000, ge=0, le=10**9)
    seed: int = Field(0, ge=0, le=MOST_SEED)

    @model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.adversary not in ADVERSARIES:
            raise ValueError(f"unknown adversary '{self.adversary}'; there are: {', '.join(ADVERSARIES)}")
        predictors = len(self.model.readout_depths) + 1
        if self.readout_weights and len(self.readout_weights) != predictors:
            raise ValueError(f"{predictors} predictors need as many weights, not {len(self.readout_weights)}")
        if self.readout_weights and (min(self.readout_weights) < 0 or sum(self.readout_weights) == 0):
            raise ValueError(f"read-out weights must not be negative, nor all zero: {self.readout_weights}")
        if self.phase == "readouts" and predictors == 1:
            raise ValueError("the phase 'readouts' needs read-outs to train: give readout_depths")
        if self.phase == "readouts" and not self.start_from:
            raise ValueError(
                "the phase 'readouts' leaves the backbone as it is: give start_from, a run that trained it"
            )
        if not set(self.trained_readouts) <= set(self.model.readout_depths):
            raise ValueError(f"trained read-outs {self.trained_readouts} are not all among {self.model.readout_depths}")
        if self.phase != "readouts" and (self.trained_readouts or self.backbone_mode == "train"):
            raise ValueError("trained_readouts and backbone_mode belong to the phase 'readouts'")
        if self.pretrained_file and not self.pretrained:
            raise ValueError("a pretrained_file is for a pretrained network: set pretrained=true as well")
        if self.compile and self.checkpointing:
            raise ValueError("compile and checkpointing cannot be combined: the compiler decides itself what it keeps")
        return self

    def loss_weights(self) -> tuple[float, ...]:
        """The weight of each predictor's loss in this phase.

        They sum to one where predictors share what is trained; read-outs over a frozen backbone share nothing, and
        each has its loss whole, as if it were trained alone.
        """
        depths = self.model.readout_depths
        if self.phase == "backbone":
            return (*[0.0] * len(depths), 1.0)
        if self.phase == "readouts":
            chosen = self.trained_readouts or depths
            return (*[float(depth in chosen) for depth in depths], 0.0)
        weights = self.readout_weights or tuple([1.0] * (len(depths) + 1))
        return tuple(weight / sum(weights) for weight in weights)
