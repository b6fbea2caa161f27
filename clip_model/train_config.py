"""What a training run of the small CLIP is told: one type with every default."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clip_model.model import OpenClipConfig, open_clip_config
from foundation.command_line.arguments import MOST_SEED
from robust_model.training.adversary import ADVERSARIES


class ClipTrainConfig(BaseModel):
    """A training run, whole. Frozen, validated, JSON.

    `tiny_imagenet` is a folder, `cifar10` as in `robust_model`'s --data; `cifar_share` of the draws falls on the
    latter. `steps` of `batch` images, which are `small_size` pixels wide until the fraction `small_until` of the run:
    that is cheaper, and what is learned there carries over. `eps` is the adversary's L-inf budget in [0, 1] pixel units
    of the enlarged image, reached linearly between the fractions `clean_until` and `full_from` of the run; before that
    images are clean, which costs half. `leaf_share` is the probability that an image stands for its class, and not for
    something more general; the other weights are those of the losses (see `losses`). `captions` images of a batch get
    captions with attributes. `smallest_crop` is the smallest share of the side that a random window keeps. `ema` is
    the decay of the weights' moving average, which is what is exported. `holdout` images are never trained on. A run
    begins with the weights of the exported model in the folder `start_from`, if one is named; with that one's seed, or
    the holdout is not new to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tiny_imagenet: str
    cifar10: str
    cifar_share: float = Field(0.2, ge=0, le=1)
    tower: str = "resnet10t"
    image_size: int = Field(64, ge=32, le=64)
    embed_dim: int = Field(256, ge=8, le=65_536)
    text_width: int = Field(128, ge=32, le=65_536)
    text_layers: int = Field(2, ge=1, le=1000)
    start_from: str = ""
    steps: int = Field(5200, ge=1, le=100_000_000)
    small_size: int = Field(48, ge=32, le=64)
    small_until: float = Field(0.85, ge=0, le=1)
    batch: int = Field(256, ge=8, le=1_000_000)
    captions: int = Field(64, ge=0)
    learning_rate: float = Field(3e-3, gt=0, le=1e6)
    warmup: float = Field(0.1, ge=-1, le=1)
    weight_decay: float = Field(0.02, ge=0, le=1e6)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    adversary: str = "n-fgsm"
    eps: float = Field(2.5 / 255, ge=0, le=1)
    clean_until: float = Field(0.5, ge=0, le=1)
    full_from: float = Field(0.65, ge=0, le=1)
    leaf_share: float = Field(0.8, gt=0, le=1)
    text_to_image_weight: float = Field(0.3, ge=0)
    attribute_weight: float = Field(0.15, ge=0)
    caption_weight: float = Field(0.4, ge=0)
    smallest_crop: float = Field(0.7, gt=0, le=1)
    ema: float = Field(0.998, ge=0, lt=1)
    bf16: bool = True
    holdout: int = Field(1000, ge=0, le=10**9)
    seed: int = Field(0, ge=0, le=MOST_SEED)

    @model_validator(mode="after")
    def _check(self) -> "ClipTrainConfig":
        if self.adversary not in ADVERSARIES:
            raise ValueError(f"unknown adversary '{self.adversary}'; there are: {', '.join(ADVERSARIES)}")
        if self.captions > self.batch:
            raise ValueError(f"{self.captions} captions are more than the batch of {self.batch} images")
        if self.clean_until > self.full_from:
            raise ValueError("clean_until must not be later than full_from")
        return self

    def open_clip_config(self) -> OpenClipConfig:
        """The network in open_clip's own JSON."""
        return open_clip_config(
            image_size=self.image_size,
            embed_dim=self.embed_dim,
            tower=self.tower,
            width=self.text_width,
            layers=self.text_layers,
        )

    def size_at(self, step: int) -> int:
        """The side of the images at `step` (0-based)."""
        return self.small_size if (step + 0.5) / self.steps < self.small_until else self.image_size

    def eps_at(self, step: int) -> float:
        """The adversary's budget at `step` (0-based)."""
        at = (step + 0.5) / self.steps
        if at >= self.full_from:
            return self.eps
        if at < self.clean_until:
            return 0.0
        return self.eps * (at - self.clean_until) / (self.full_from - self.clean_until)
