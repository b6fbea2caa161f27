"""The training of arXiv 2408.05446, as its authors' replication notebook runs it: two phases, one command.

*backbone*: torchvision's ResNet152 with its `IMAGENET1K_V2` weights, a fresh 7 x 7 stem that takes the 12 channels of
the stack, and a fresh head; the stack (see `stack`, "paper", quirks included) is scaled to 224 pixels, bicubic, and
normalised as ImageNet; Adam at 3.3e-5 without schedule, decay, augmentation or average, batch 128, 6 epochs, train
mode, all training images. *readouts*: BatchNorm and a linear layer on the flattened activations after layers 20, 30,
35, 40, 45, 50 and 52; Adam at 3.3e-5, batch 64, 1 epoch. The answer is CrossMax top-3 of these seven and the backbone's
own head, with fresh noise at every pass.

What differs from the notebook, and how to change it back:

- The read-outs are trained in one pass, each by its own loss, on the same batches and draws; the notebook takes a pass
  for each. `literal` takes seven phases. Only the seven are allocated there are; the notebook allocates all 54.
- The frozen backbone's BatchNorm is in eval mode meanwhile; in the notebook it normalises by the batch, and its running
  statistics move. Back: `--set readouts.backbone_mode=train`.
- All eight predictors come from one forward pass, with one draw of the noise; the notebook computes the backbone's own
  head in a second pass with noise of its own. Back: `--set model.separate_final_pass=true`.
- Both phases' batches are the notebook's, 128 and then 64. All at 128: `--set readouts.batch=128`.
- The last, incomplete batch of an epoch is left out (80 of 50,000 images at batch 128; others in every epoch). Back:
  `--set keep_last=true`.
- The random numbers come from the run's own seeded generators, so they are others than the notebook's.
- The stack is computed by matrix products, for the whole batch at once; the result is the same to 1e-5.
- Light adversarial training: one FGSM step (L-inf 8/255, a setting of ours: `--set backbone.eps=...`) in the phase
  "backbone" only, so that training all read-outs in one pass still changes nothing.
- ImageNet: only resolutions, noise (both amounts) and shifts are the paper's; colour quirks, epochs and batches are
  taken from the CIFAR setting. Images are cut to their middle square.

- `lite` is the same experiment on a network whose weights come with the requirements, for where ResNet152's cannot be
  had: EfficientNet-Lite0, pretrained on ImageNet, at 96 pixels, normalised as it was trained. Its fresh stem is a
  3 x 3 convolution, and its read-outs stand at the same shares of its depth: after layers 7, 10, 12, 14, 16, 17 and 18
  of 18.

Off unless asked for, and changing no more than rounding: `bf16`, `compile`, `checkpointing`, several processes (see
`distributed`).
"""

from robust_model.data.datasets import class_names_of
from robust_model.networks.model_config import ModelConfig
from robust_model.networks.stack import STACKS, StackConfig
from robust_model.training.pipeline import PipelineConfig
from robust_model.training.train_config import TrainConfig

READOUT_DEPTHS = (20, 30, 35, 40, 45, 50, 52)
INPUT_SIZE = 224
LITE_READOUT_DEPTHS = (7, 10, 12, 14, 16, 17, 18)
LITE_INPUT_SIZE = 96
LEARNING_RATE = 3.3e-5
IMAGENET_STACK = StackConfig.model_validate(
    STACKS["paper"].model_dump()
    | {"size": 224, "resolutions": (224, 112, 56, 28, 14, 7), "noise_low": 0.5, "noise_high": 0.5, "max_shift": 42}
)


def model_config(class_names: tuple[str, ...], stack: StackConfig = STACKS["paper"]) -> ModelConfig:
    """The self-ensemble of eight predictors."""
    return ModelConfig(
        class_names=class_names,
        stack=stack,
        backbone="torchvision:resnet152",
        input_size=INPUT_SIZE,
        readout_depths=READOUT_DEPTHS,
        readout="flattened",
        aggregator="crossmax-top3",
        inference_noise="fresh",
    )


def lite_model_config(class_names: tuple[str, ...]) -> ModelConfig:
    """The same self-ensemble of EfficientNet-Lite0."""
    half = (0.5, 0.5, 0.5)
    changes = {
        "backbone": "packaged:lite0",
        "input_size": LITE_INPUT_SIZE,
        "readout_depths": LITE_READOUT_DEPTHS,
        "mean": half,
        "std": half,
    }
    return ModelConfig.model_validate(model_config(class_names).model_dump() | changes)


def _phase(phase: str, model: ModelConfig, data: str, **settings: object) -> TrainConfig:
    """What both phases have in common."""
    plain = {
        "optimiser": "adam",
        "learning_rate": LEARNING_RATE,
        "warmup": -1,
        "weight_decay": 0.0,
        "flip": False,
        "shift": 0,
        "ema": 0.0,
        "holdout": 0,
    }
    return TrainConfig.model_validate({"phase": phase, "model": model, "data": data, **plain, **settings})


def _backbone(model: ModelConfig, data: str, **settings: object) -> TrainConfig:
    bare = model.model_copy(update={"readout_depths": (), "aggregator": "last"})
    return _phase("backbone", bare, data, pretrained=True, epochs=6, batch=128, **settings)


def _readouts(model: ModelConfig, data: str, **settings: object) -> TrainConfig:
    return _phase("readouts", model, data, **{"start_from": "phase:backbone", "epochs": 1, "batch": 64, **settings})


def _two_phases(data: str, model: ModelConfig, **settings: object) -> PipelineConfig:
    return PipelineConfig(
        phases={"backbone": _backbone(model, data, **settings), "readouts": _readouts(model, data)},
    )


def cifar(data: str) -> PipelineConfig:
    """CIFAR-10 or CIFAR-100, or whatever small images `data` names."""
    return _two_phases(data, model_config(class_names_of(data)))


def cifar_light(data: str) -> PipelineConfig:
    """The same, with light adversarial training of the backbone."""
    return _two_phases(data, model_config(class_names_of(data)), adversary="fgsm", eps=8 / 255)


def lite(data: str) -> PipelineConfig:
    """The same on EfficientNet-Lite0."""
    return _two_phases(data, lite_model_config(class_names_of(data)))


def lite_light(data: str) -> PipelineConfig:
    """The same on EfficientNet-Lite0, with light adversarial training."""
    return _two_phases(data, lite_model_config(class_names_of(data)), adversary="fgsm", eps=8 / 255)


def imagenet(data: str) -> PipelineConfig:
    """The setting for ImageNet."""
    return _two_phases(data, model_config(class_names_of(data), IMAGENET_STACK))


def literal(data: str) -> PipelineConfig:
    """As in the notebook: one phase for each read-out, moving statistics, whole epochs, two passes for the answer."""
    model = model_config(class_names_of(data)).model_copy(update={"separate_final_pass": True})
    phases, before = {"backbone": _backbone(model, data, keep_last=True)}, "backbone"
    for depth in model.readout_depths:
        phases[f"readout-{depth}"] = _readouts(
            model,
            data,
            trained_readouts=(depth,),
            backbone_mode="train",
            start_from=f"phase:{before}",
            keep_last=True,
        )
        before = f"readout-{depth}"
    return PipelineConfig(phases=phases)
