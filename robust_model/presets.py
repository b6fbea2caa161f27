"""Training runs with a name: the ones the shipped models came from, and a small one to try things out."""

from collections.abc import Callable
from dataclasses import dataclass

from robust_model.data import CIFAR10_CLASSES
from robust_model.ensemble import ModelConfig
from robust_model.stack import STACKS
from robust_model.training import TrainConfig


@dataclass(frozen=True)
class TrainPreset:
    """A named run: what it makes (texts for the model list) and its configuration for a data set."""

    title: str
    description: str
    make: Callable[[str], TrainConfig]


def _crossmax_cifar10(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(
            class_names=CIFAR10_CLASSES,
            stack=STACKS["clean"],
            readout_depths=(3, 4, 5, 6),
            aggregator="crossmax-median",
        ),
        data=data,
        epochs=28,
        bf16=True,
        label_smoothing=0.1,
        adversary="n-fgsm",
        eps=10 / 255,
        readout_weights=(0.1, 0.15, 0.25, 0.35, 1.0),
    )


def _undefended_cifar10(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(class_names=CIFAR10_CLASSES, stack=STACKS["single"]),
        data=data,
        epochs=4,
        bf16=True,
        label_smoothing=0.1,
    )


def _demo(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(
            class_names=tuple(f"grating {c}" for c in range(4)),
            stack=STACKS["clean"],
            widths=(8, 16),
            blocks=(1, 1),
            readout_depths=(2,),
            aggregator="mean",
        ),
        data=data,
        epochs=4,
        batch=32,
        holdout=64,
        adversary="fgsm",
        eps=2 / 255,
    )


PRESETS: dict[str, TrainPreset] = {
    "crossmax-cifar10": TrainPreset(
        "Robust CrossMax, CIFAR-10",
        "Sees every image at four resolutions (32, 16, 8, 4) and is read out at five depths; CrossMax combines the "
        "three deepest. It was trained against single-step attacks: its gradients draw pictures that people recognise.",
        _crossmax_cifar10,
    ),
    "undefended-cifar10": TrainPreset(
        "Undefended, CIFAR-10",
        "The same network at one resolution, trained plainly, for comparison: more accurate on clean images, fooled by "
        "changes that nobody sees, and its class images are hard to make out.",
        _undefended_cifar10,
    ),
    "demo": TrainPreset(
        "Demo on synthetic gratings",
        "A tiny network on the synthetic set; trains in seconds. Use with --data synthetic:512.",
        _demo,
    ),
}
