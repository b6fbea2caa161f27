"""What leads pictures of a text, and attacks on CLIP models: the prompts, captions and pictures of a recipe, as aims
in the space of each encoder.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict, runtime_checkable

import torch
from torch import Tensor

from foundation.errors import StudioError
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
from generator.recipes.checks import prompts_of
from generator.recipes.pictures import Pictures
from generator.recipes.prompts import Prompt, is_drawable
from generator.recipes.recipe import Recipe
from generator.views.registry import parse_views

_SIGNS = {"negative": -1.0, "caption": 0.0}
_POSSESSIVE = re.compile(r"['’]s(?!\w)")


@dataclass(frozen=True)
class Guides:
    """The prompts of a recipe, read. In `wanted` and `unwanted` all weights are above 0."""

    wanted: tuple[Prompt, ...] = ()
    unwanted: tuple[Prompt, ...] = ()
    towards: tuple[Prompt, ...] = ()
    against: tuple[Prompt, ...] = ()
    captions: tuple[Prompt, ...] = ()

    def by_role(self) -> dict[str, tuple[Prompt, ...]]:
        """Return the prompts by the name of what they are there for."""
        roles = {
            "prompt": self.wanted,
            "prompt_to": self.towards,
            "negative": self.unwanted,
            "against": self.against,
            "caption": self.captions,
        }
        return {role: prompts for role, prompts in roles.items() if prompts}


def read_guides(recipe: Recipe) -> Guides:
    """Read the prompts of a recipe. On the way between two, negative parts belong to the directions."""
    fields = ("prompt", "negative", "prompt_to", "against", "captions")
    wanted, unwanted, towards, against, captions = (prompts_of(recipe, name) for name in fields)
    if not recipe.prompt_to:
        unwanted = (*(Prompt(text, -weight) for text, weight in wanted if weight < 0), *unwanted)
        wanted = tuple(prompt for prompt in wanted if prompt.weight > 0)
    return Guides(wanted, unwanted, towards, against, captions)


@torch.no_grad()
def guide(
    recipe: Recipe, encoder: Encoder, pictures: Pictures, rng: torch.Generator | None = None
) -> EmbeddingObjective:
    """Return what the recipe asks of images in the eyes of one encoder. Embeddings are made here, once.

    Its terms are, as far as the recipe has them, "prompt", "negative", "own caption", "target" and "style"; a score
    that has rivals takes the negative prompts as such, and they are no term. A target picture under random views
    is seen anew in every step: these are drawn from `rng`, which a recipe with such views needs.
    """
    guides, kind = read_guides(recipe), SCORES[recipe.score]
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
    if guides.captions and pictures.source is not None:
        captions = _embed(encoder, guides.captions)
        aims.append(OwnCaption(recipe.caption_weight, captions, _own(encoder, captions, pictures.source)))
    for name, picture, weight in _to_match(recipe, pictures):
        aims.append(_match(name, picture, weight, encoder, kind, recipe.target_views if name == "target" else "", rng))
    return EmbeddingObjective(encoder, aims)


def _match(
    name: str,
    picture: Tensor,
    weight: float,
    encoder: Encoder,
    kind: ScoreKind,
    views: str,
    rng: torch.Generator | None,
) -> Aim:
    """Return the aim at a picture, under random views if there are any."""
    if not views:
        return aim_at(name, encoder.encode_images(picture), [weight], kind.of_pictures, kind.most_of_pictures)
    if rng is None:
        raise ValueError("views of a target picture need a random generator")
    score, most = kind.of_pictures, kind.most_of_pictures
    return ViewedPicture(name, weight, encoder, picture, parse_views(views), rng, score, most)


def _own(encoder: Encoder, captions: Tensor, source: Tensor) -> Tensor:
    """Return which caption [B] lies nearest to each photo."""
    return (encoder.encode_images(source) @ captions.to(source).mT).argmax(dim=1)


def _embed(encoder: Encoder, prompts: Sequence[Prompt]) -> Tensor:
    """Return the embeddings [N, D] of prompts."""
    return encoder.encode_text([prompt.text for prompt in prompts]) if prompts else torch.empty(0, 0)


def _to_match(recipe: Recipe, pictures: Pictures) -> Iterator[tuple[str, Tensor, float]]:
    """Yield name, picture and weight of each picture whose embedding counts."""
    if pictures.target is not None:
        yield "target", pictures.target, recipe.target_weight
    if pictures.style is not None:
        yield "style", pictures.style, recipe.style_weight


def _weights(prompts: Sequence[Prompt]) -> list[float]:
    return [prompt.weight for prompt in prompts]


class Reader(Protocol):
    """Something that can say which words it never saw: an encoder, or what is known of one that is not loaded."""

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        """The words of a text that it never saw in training."""
        ...


def unknown_words(recipe: Recipe, encoders: Mapping[str, Reader]) -> dict[str, tuple[str, ...]]:
    """Return the words in a recipe's prompts that encoders never saw in training, by the name of the encoder.

    Encoders that know them all are left out. StudioError if there is a prompt to be shown of which none of the
    encoders knows a single word.
    """
    guides = read_guides(recipe)
    for prompt in (*guides.wanted, *guides.towards):
        if encoders and not any(knows_some(encoder, prompt.text) for encoder in encoders.values()):
            raise StudioError(
                f"{_named(list(encoders))} never saw any of the words in '{prompt.text[:80]}', so nothing would lead "
                "the picture: use words that the model knows (its card lists them), or choose another model."
            )
    found: dict[str, tuple[str, ...]] = {}
    for name, encoder in encoders.items():
        texts = [prompt.text for prompts in guides.by_role().values() for prompt in prompts]
        words = tuple(dict.fromkeys(word for text in texts for word in encoder.unknown_words(text)))
        if words:
            found[name] = words
    return found


class Reading(Protocol):
    """How much of a text an encoder reads."""

    @property
    def warning(self) -> str:
        """A sentence for the writer of the text; "" if all of it is read."""
        ...


@runtime_checkable
class CountingEncoder(Encoder, Protocol):
    """An encoder that tells how much of a text it reads; the others read all of it."""

    def count_tokens(self, text: str) -> Reading:
        """Return how much of the text is read."""
        ...


def reading_warnings(recipe: Recipe, encoders: Mapping[str, Encoder]) -> dict[str, tuple[str, ...]]:
    """Return sentences on the prompts of a recipe that encoders do not read to their end, by the name of the encoder.

    Encoders that read all of them are left out.
    """
    texts = [prompt.text for prompts in read_guides(recipe).by_role().values() for prompt in prompts]
    found: dict[str, tuple[str, ...]] = {}
    for name, encoder in encoders.items():
        if isinstance(encoder, CountingEncoder):
            sentences = tuple(filter(None, (encoder.count_tokens(text).warning for text in texts)))
            if sentences:
                found[name] = sentences
    return found


def knows_some(encoder: Reader, text: str) -> bool:
    """Whether anything is left of the text without the words that the encoder does not know."""
    left = _POSSESSIVE.sub(" ", text.casefold())
    for word in encoder.unknown_words(text):
        left = re.sub(rf"(?<![^\W_]){re.escape(word.casefold())}(?![^\W_])", " ", left)
    return is_drawable(left)


def _named(names: Sequence[str]) -> str:
    return f"The model '{names[0]}'" if len(names) == 1 else "The models " + ", ".join(f"'{name}'" for name in names)


class Cosines(TypedDict):
    """Cosines of some images to one thing that a recipe names; see `cosines`."""

    role: str
    text: str | None
    weight: float
    cosines: list[float]


@torch.no_grad()
def cosines(recipe: Recipe, encoder: Encoder, pictures: Pictures, images: Tensor) -> list[Cosines]:
    """Return the cosine of each image [B, 3, H, W] to everything that the recipe names.

    One entry for each prompt or picture: its "role" ("prompt", "negative", ..., "caption", "target", "style"), its
    "text" (None for a picture), its "weight" (below 0 where the picture is led away, 0 for captions, of which it
    depends on the photo which one is left), and its "cosines" [B].
    """
    entries: list[tuple[str, str | None, float, Tensor]] = []
    for role, prompts in read_guides(recipe).by_role().items():
        for prompt, embedding in zip(prompts, _embed(encoder, prompts), strict=True):
            weight = _SIGNS.get(role, 1.0) * prompt.weight
            entries.append((role, prompt.text, weight, embedding))
    for role, picture, weight in _to_match(recipe, pictures):
        entries.append((role, None, weight, encoder.encode_images(picture)[0]))
    embeddings = encoder.encode_images(images)
    return [
        {"role": role, "text": text, "weight": weight, "cosines": (embeddings @ v.to(embeddings)).tolist()}
        for role, text, weight, v in entries
    ]
