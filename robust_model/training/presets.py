"""Training runs with a name: the ones the shipped models came from, and a small one to try things out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.classes.labels import CIFAR10_CLASSES
from robust_model.data.datasets import class_names_of
from robust_model.networks.ensemble import ModelConfig
from robust_model.networks.stack import STACKS, StackConfig
from robust_model.training import paper
from robust_model.training.pipeline import PipelineConfig
from robust_model.training.training import TrainConfig


@dataclass(frozen=True)
class TrainPreset:
    """A named run: what it makes (texts for the model list), its configuration for a data set, and which one it takes.

    `data` is taken unless another is named; "" asks for one.
    """

    title: str
    description: str
    make: Callable[[str], TrainConfig | PipelineConfig]
    data: str = "cifar10"


def _crossmax_cifar10(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(
            class_names=CIFAR10_CLASSES,
            stack=STACKS["clean"],
            readout_depths=(3, 4, 5, 6),
            aggregator="crossmax-median-votes",
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


def _plain_cifar10(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(
            class_names=CIFAR10_CLASSES,
            stack=STACKS["paper"],
            readout_depths=(2, 3, 4, 5, 6, 7),
            aggregator="crossmax-top3",
            inference_noise="fresh",
        ),
        data=data,
        epochs=8,
        bf16=True,
        label_smoothing=0.1,
    )


def _for_pictures(data: str, size: int, eps: float, epochs: float, **changes: Any) -> TrainConfig:
    """A phase of the networks for pictures, at this many pixels and against this budget (in levels of 255)."""
    model = ModelConfig(
        class_names=class_names_of(data),
        stack=StackConfig(
            size=size,
            resolutions=(size, size // 2, size // 4, size // 8),
            max_shift=1,
            noise_low=0.02,
            noise_high=0.02,
        ),
        widths=(32, 64, 128, 256),
        blocks=(1, 2, 2, 2),
        input_size=size,
        readout_depths=(4, 5, 6, 7),
        aggregator="crossmax-median-votes",
        voters=3,
    )
    return TrainConfig(
        model=model,
        data=data,
        epochs=epochs,
        bf16=True,
        adversary="n-fgsm" if eps else "none",
        eps=eps / 255,
        readout_weights=(0.1, 0.15, 0.25, 0.35, 1.0),
        teachers=("lite0",),
        teacher_weight=0.7,
        teacher_side=160,
        teacher_temperature=1.5,
        shift=size // 10,
        **changes,
    )


def _crossmax_tiny64(data: str) -> PipelineConfig:
    """Progressive sizes (Howard's fast.ai recipe of 2018: small images first) and budgets, one teacher for all."""
    phase = partial(_for_pictures, data)
    return PipelineConfig(
        phases={
            "clean-32": phase(32, 0, 3, warmup=0.1),
            "robust-32": phase(32, 2, 5, warmup=0.05, start_from="phase:clean-32"),
            "robust-48": phase(48, 3, 2, warmup=0.05, learning_rate=0.15, start_from="phase:robust-32"),
            "robust-64": phase(64, 4, 2, warmup=0.05, learning_rate=0.1, start_from="phase:robust-48"),
        }
    )


def _crossmax_imagenet64(data: str) -> TrainConfig:
    """More classes for the network of 200: its backbone knows already what pictures are made of."""
    return _for_pictures(data, 64, 4, 5, warmup=0.05, learning_rate=0.1, start_from="shipped:crossmax-tiny64")


def _pretrain_small(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(class_names=class_names_of(data), stack=STACKS["clean"]),
        data=data,
        phase="backbone",
        epochs=6,
        bf16=True,
        label_smoothing=0.1,
    )


def _pretrain_resnet(data: str) -> TrainConfig:
    return TrainConfig(
        model=ModelConfig(
            class_names=class_names_of(data),
            stack=STACKS["single"],
            backbone="torchvision:resnet152",
            input_size=paper.INPUT_SIZE,
        ),
        data=data,
        phase="backbone",
        epochs=20,
        learning_rate=0.1,
        weight_decay=1e-4,
        label_smoothing=0.1,
        bf16=True,
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
    "crossmax-plain-cifar10": TrainPreset(
        "CrossMax without adversarial training, CIFAR-10",
        "The paper's stack, noise and CrossMax on the small network, trained plainly and random at every pass: what "
        "standard attacks make of it, and what is left under adaptive ones, are two different numbers.",
        _plain_cifar10,
    ),
    "crossmax-tiny64": TrainPreset(
        "CrossMax for pictures, 200 classes at 64 pixels",
        "Sees every image at four resolutions (64, 32, 16, 8) and knows the 200 classes of Tiny-ImageNet. Taught by "
        "EfficientNet-Lite0, and trained for a short while against single-step attacks, it is made for pictures of its "
        "classes: it holds against few attacks itself.",
        _crossmax_tiny64,
        data="",
    ),
    "crossmax-imagenet64": TrainPreset(
        "CrossMax for pictures, 1,000 classes at 64 pixels",
        "Sees every image at four resolutions (64, 32, 16, 8) and knows the 1,000 classes of ImageNet. Started from "
        "the one of 200 classes and taught by EfficientNet-Lite0, it is made for pictures: of 790 classes it has seen "
        "one photo each, and what its teacher finds of them in others.",
        _crossmax_imagenet64,
        data="",
    ),
    "pretrain-small": TrainPreset(
        "The small backbone, pretrained",
        "The small network on a class folder of one's own (Tiny-ImageNet at 32 pixels), for others to start from: "
        "train --preset crossmax-cifar10 --set start_from=RUN.",
        _pretrain_small,
        data="",
    ),
    "pretrain-resnet152": TrainPreset(
        "ResNet152, pretrained",
        "torchvision's ResNet152 (or another: model.backbone) from scratch on a class folder of one's own, where "
        "ImageNet's weights cannot be had: train --preset paper-cifar10 --set start_from=RUN.",
        _pretrain_resnet,
        data="",
    ),
    "paper-cifar10": TrainPreset(
        "ResNet152 self-ensemble, CIFAR-10",
        "The classifier of arXiv 2408.05446: a ResNet152 pretrained on ImageNet sees four resolutions at once, is read "
        "out at seven layers, and CrossMax takes the third highest of eight opinions.",
        paper.cifar,
    ),
    "paper-cifar100": TrainPreset(
        "ResNet152 self-ensemble, CIFAR-100",
        "The classifier of arXiv 2408.05446: a ResNet152 pretrained on ImageNet sees four resolutions at once, is read "
        "out at seven layers, and CrossMax takes the third highest of eight opinions.",
        paper.cifar,
        data="cifar100",
    ),
    "paper-lite-cifar10": TrainPreset(
        "Lite0 self-ensemble, CIFAR-10",
        "The experiment of arXiv 2408.05446 on a network that comes with the requirements: EfficientNet-Lite0, "
        "pretrained on ImageNet, sees four resolutions at once at 96 pixels, is read out at seven layers, and CrossMax "
        "takes the third highest of eight opinions.",
        paper.lite,
    ),
    "paper-lite-cifar100": TrainPreset(
        "Lite0 self-ensemble, CIFAR-100",
        "As paper-lite-cifar10, for the hundred classes.",
        paper.lite,
        data="cifar100",
    ),
    "paper-lite-cifar10-light": TrainPreset(
        "Lite0 self-ensemble with light adversarial training, CIFAR-10",
        "As paper-lite-cifar10; the backbone is finetuned against single-step attacks.",
        paper.lite_light,
    ),
    "paper-lite-cifar100-light": TrainPreset(
        "Lite0 self-ensemble with light adversarial training, CIFAR-100",
        "As paper-lite-cifar100; the backbone is finetuned against single-step attacks.",
        paper.lite_light,
        data="cifar100",
    ),
    "paper-cifar10-light": TrainPreset(
        "ResNet152 self-ensemble with light adversarial training, CIFAR-10",
        "As paper-cifar10; the backbone is finetuned against single-step attacks.",
        paper.cifar_light,
    ),
    "paper-cifar100-light": TrainPreset(
        "ResNet152 self-ensemble with light adversarial training, CIFAR-100",
        "As paper-cifar100; the backbone is finetuned against single-step attacks.",
        paper.cifar_light,
        data="cifar100",
    ),
    "paper-cifar100-literal": TrainPreset(
        "ResNet152 self-ensemble exactly as in the notebook, CIFAR-100",
        "As paper-cifar100, without what makes it cheaper: a pass for each read-out, BatchNorm statistics that move, a "
        "pass of its own for the final head. Slow, for comparison.",
        paper.literal,
        data="cifar100",
    ),
    "paper-imagenet": TrainPreset(
        "ResNet152 self-ensemble, ImageNet",
        "The paper's ImageNet setting: six resolutions from 224 to 7, noise 0.5, shifts of up to 42 pixels. Takes a "
        "class folder that stays on the disk: --data files:PATH.",
        paper.imagenet,
        data="",
    ),
}
