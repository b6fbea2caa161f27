"""The prompts of a recipe, read as its version means them, by what they are there for."""

from dataclasses import dataclass

from generator.recipes.prompts import Prompt, PromptError, parse_prompts
from generator.recipes.schema import NEGATIVE_WEIGHT, RecipeSchema

RATIOS_ARE_TEXT = 4
"""The version of recipes from which on 16:9 is a text, and no weight."""


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


def read_guides(recipe: RecipeSchema) -> Guides:
    """Read the prompts of a recipe. On the way between two, negative parts belong to the directions.

    A refusal is a ValueError with a sentence that names the field. A recipe keeps what is read here: see
    `Recipe.guides`.
    """
    wanted, unwanted = _read(recipe, "prompt"), _positive("negative", _read(recipe, "negative"))
    against = _positive("against", _read(recipe, "against"))
    if not recipe.prompt_to:
        unwanted = (*(Prompt(text, -weight) for text, weight in wanted if weight < 0), *unwanted)
        wanted = tuple(prompt for prompt in wanted if prompt.weight > 0)
    return Guides(wanted, unwanted, _read(recipe, "prompt_to"), against, _read(recipe, "captions"))


def _read(recipe: RecipeSchema, name: str) -> tuple[Prompt, ...]:
    line: str = getattr(recipe, name)
    default = NEGATIVE_WEIGHT if name == "negative" else 1.0
    try:
        return parse_prompts(line, default, ratios=recipe.version >= RATIOS_ARE_TEXT) if line else ()
    except PromptError as error:
        message = str(error)
        raise ValueError(f"{name}: {message[:1].lower()}{message[1:]}") from error


def _positive(name: str, prompts: tuple[Prompt, ...]) -> tuple[Prompt, ...]:
    for prompt in prompts:
        if prompt.weight < 0:
            raise ValueError(f"{name} has a weight below 0 ({prompt.text[:40]!r}): weights are above 0 here.")
    return prompts
