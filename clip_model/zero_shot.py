"""Zero-shot classification: images among the texts of classes, as Radford et al. (arXiv 2103.00020, section 3.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from clip_model.captions import TEMPLATES, fill
from clip_model.concepts import Concept
from clip_model.model import Network, encode_images, encode_tokens, to_model_size, tokenize
from generator.objectives.similarity import mean_direction
from robust_model.data.datasets import LabelledImages


@torch.no_grad()
def class_embeddings(model: Network, concepts: Sequence[Concept]) -> Tensor:
    """Unit embeddings [K, D]: each the mean over the templates, filled with the concept's first name."""
    texts = [fill(template, concept.names[0]) for concept in concepts for template in TEMPLATES]
    embedded = torch.cat([encode_tokens(model, tokenize(texts[i : i + 256])) for i in range(0, len(texts), 256)])
    return mean_direction(embedded.view(len(concepts), len(TEMPLATES), -1))


@torch.no_grad()
def zero_shot(model: Network, data: LabelledImages, concepts: Sequence[Concept], image_size: int) -> dict[str, float]:
    """Top-1 and top-5 accuracy on `data`, whose labels are positions in `concepts`."""
    texts = class_embeddings(model, concepts)
    first = fifth = 0
    for images, labels in data.batches(250):
        scores = encode_images(model, to_model_size(images, image_size)) @ texts.T
        best = scores.topk(min(5, len(concepts)), dim=1).indices
        first += int((best[:, 0] == labels).sum())
        fifth += int((best == labels[:, None]).any(1).sum())
    return {"top1": first / len(data), "top5": fifth / len(data), "images": len(data)}
