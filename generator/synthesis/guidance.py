"""What leads pictures of a text, and attacks on CLIP models: the prompts, captions and pictures of a recipe, as aims
in the space of each encoder.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

import torch
from torch import Tensor

from foundation.protocols import Encoder
from generator.objectives.similarity import (
    SCORES,
    Aim,
    Directions,
    EmbeddingObjective,
    OwnCaption,
    ScoreKind,
    ViewedPicture,
    aim_at,
    direction,
    slerp,
)
from generator.recipes.prompts import Prompt
from generator.synthesis.plan import Plan
from generator.views.registry import Compose

_SIGNS = {"negative": -1.0, "caption": 0.0}


@torch.no_grad()
def guide(plan: Plan, encoder: Encoder, rng: torch.Generator | None = None) -> EmbeddingObjective:
    """Return what a plan asks of images in the eyes of one encoder. Embeddings are made here, once.

    Its terms are, as far as the plan has them, "prompt", "negative", "own caption", "target" and "style"; a score
    that has rivals takes the negative prompts as such, and they are no term. A target picture under random views
    is seen anew in every step: these are drawn from `rng`, which a plan with such views needs.
    """
    recipe, guides, source = plan.recipe, plan.guides, plan.pictures.source
    kind = SCORES[recipe.score]
    rivals = (*guides.unwanted, *guides.against) if kind.has_rivals else ()
    score = kind.make(_embed(encoder, rivals), torch.tensor(_weights(rivals)), encoder.logit_scale)
    aims: list[Aim] = []
    if guides.towards:
        ends = [direction(_embed(encoder, side), _weights(side)) for side in (guides.wanted, guides.towards)]
        way = slerp(ends[0], ends[1], recipe.images)[:, None]  # of weight 1 whatever those of their parts
        aims.append(Directions("prompt", 1.0, way, torch.ones(1), score, kind.most))
    elif guides.wanted:
        aims.append(aim_at("prompt", _embed(encoder, guides.wanted), _weights(guides.wanted), score, kind.most))
    if guides.unwanted and not kind.has_rivals:
        away = [-weight for weight in _weights(guides.unwanted)]
        aims.append(aim_at("negative", _embed(encoder, guides.unwanted), away, score, kind.most))
    if guides.captions and source is not None:
        captions = _embed(encoder, guides.captions)
        aims.append(OwnCaption(recipe.caption_weight, captions, _own(encoder, captions, source)))
    for name, picture, weight, views in _to_match(plan):
        aims.append(_match(name, picture, weight, encoder, kind, views, rng))
    return EmbeddingObjective(encoder, aims)


def _match(
    name: str,
    picture: Tensor,
    weight: float,
    encoder: Encoder,
    kind: ScoreKind,
    views: Compose | None,
    rng: torch.Generator | None,
) -> Aim:
    """Return the aim at a picture, under random views if there are any."""
    if views is None:
        return aim_at(name, encoder.encode_images(picture), [weight], kind.of_pictures, kind.most_of_pictures)
    if rng is None:
        raise ValueError("views of a target picture need a random generator")
    score, most = kind.of_pictures, kind.most_of_pictures
    return ViewedPicture(name, weight, encoder, picture, views, rng, score, most)


def _own(encoder: Encoder, captions: Tensor, source: Tensor) -> Tensor:
    """Return which caption [B] lies nearest to each photo."""
    return (encoder.encode_images(source) @ captions.to(source).mT).argmax(dim=1)


def _embed(encoder: Encoder, prompts: Sequence[Prompt]) -> Tensor:
    """Return the embeddings [N, D] of prompts."""
    return encoder.encode_text([prompt.text for prompt in prompts]) if prompts else torch.empty(0, 0)


def _to_match(plan: Plan) -> Iterator[tuple[str, Tensor, float, Compose | None]]:
    """Yield name, picture, weight and views (None if it is seen as it is) of each picture whose embedding counts."""
    if plan.pictures.target is not None:
        yield "target", plan.pictures.target, plan.recipe.target_weight, plan.target_views
    if plan.pictures.style is not None:
        yield "style", plan.pictures.style, plan.recipe.style_weight, None


def _weights(prompts: Sequence[Prompt]) -> list[float]:
    return [prompt.weight for prompt in prompts]


class Cosines(TypedDict):
    """Cosines of some images to one thing that a recipe names; see `cosines`."""

    role: str
    text: str | None
    weight: float
    cosines: list[float]


@torch.no_grad()
def cosines(plan: Plan, encoder: Encoder, images: Tensor) -> list[Cosines]:
    """Return the cosine of each image [B, 3, H, W] to everything that the plan names.

    One entry for each prompt or picture: its "role" ("prompt", "negative", ..., "caption", "target", "style"), its
    "text" (None for a picture), its "weight" (below 0 where the picture is led away, 0 for captions, of which it
    depends on the photo which one is left), and its "cosines" [B].
    """
    entries: list[tuple[str, str | None, float, Tensor]] = []
    for role, prompts in plan.guides.by_role().items():
        for prompt, embedding in zip(prompts, _embed(encoder, prompts), strict=True):
            weight = _SIGNS.get(role, 1.0) * prompt.weight
            entries.append((role, prompt.text, weight, embedding))
    for role, picture, weight, _ in _to_match(plan):
        entries.append((role, None, weight, encoder.encode_images(picture)[0]))
    embeddings = encoder.encode_images(images)
    return [
        {"role": role, "text": text, "weight": weight, "cosines": (embeddings @ v.to(embeddings)).tolist()}
        for role, text, weight, v in entries
    ]
