"""A miniature of the small CLIP's data and settings."""

import torch

from clip_model.captions import attributes_of
from clip_model.concepts import Concept, Concepts
from clip_model.data import CaptionedImages
from clip_model.train_config import ClipTrainConfig

CONCEPTS = Concepts(
    (
        Concept("retriever", ("golden retriever",), ("dog",)),
        Concept("poodle", ("poodle", "standard poodle"), ("dog",)),
        Concept("pizza", ("pizza", "pizza pie")),
        Concept("dog", ("dog", "puppy"), ("animal",)),
        Concept("animal", ("animal",)),
    ),
    {"tiny": ("retriever", "poodle", "pizza")},
)


def data(count: int = 48) -> CaptionedImages:
    """Flat noisy pictures whose colour tells the class: red retrievers, green poodles, blue pizzas."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    images = torch.randint(0, 40, (count, 3, 32, 32), generator=rng, dtype=torch.uint8)
    images[torch.arange(count), labels] += 180
    shares = torch.full((count,), 1 / count)
    return CaptionedImages(images, labels, attributes_of(images), shares, CONCEPTS, ("stand-in",))


def config(**changes: object) -> ClipTrainConfig:
    """A run of a few steps on a network of a few thousand numbers."""
    settings: dict[str, object] = {
        "tiny_imagenet": "none",
        "cifar10": "none",
        "tower": "test_resnet",
        "embed_dim": 16,
        "text_width": 32,
        "text_layers": 1,
        "image_size": 32,
        "small_size": 32,
        "steps": 6,
        "batch": 12,
        "captions": 4,
        "clean_until": 0.2,
        "full_from": 0.5,
        "holdout": 12,
        "bf16": False,
    }
    return ClipTrainConfig(**{**settings, **changes})  # type: ignore[arg-type]
