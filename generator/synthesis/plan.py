"""The plan of a picture: its recipe read once, with all models and pictures that it is made with.

No text of a recipe is read again below this: prompts, unit, classes, resolutions and views are here as what they mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch

from foundation.protocols import Classifier, Encoder
from generator.recipes.completion import fill_in
from generator.recipes.guides import Guides
from generator.recipes.perturbations import ACCELERATED, ALL_ACCELERATED, resolutions_of
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.leading import classes_of, led
from generator.synthesis.models import Model, accelerated, sorted_models
from generator.synthesis.named import Named, named_classes, with_own_names
from generator.synthesis.words import readers, reading_warnings, unknown_words
from generator.units.unit import Unit
from generator.views.registry import Compose, parse_views
from generator.views.windows import RandomWindow, Roll


@dataclass(frozen=True, eq=False)
class Plan:
    """What a recipe means for the models and pictures that it is made with.

    Attributes:
        recipe: with everything filled in that depends on its pictures (size, resolutions, their digests), and the
            models' own names for classes that were given by synonyms.
        classifiers: by name, in the recipe's order, as they were handed in.
        stepped: the classifiers in the form that the steps compute with, which may be a faster one.
        encoders: by name; of a text that classifiers lead to as well, those that know a word of its prompts.
        pictures: that the recipe refers to, on the device.
        device: where all is computed.
        named: its classes, as each classifier knows them.
        resolutions: ascending, in cells along the longer side; () where what it changes has none.
        views: that the models see the picture under.
        target_views: that they see the target picture under; None if they see it as it is.
        unknown: for each encoder, the words of the prompts that it never saw in training; those without are left out.
        warnings: for each encoder, sentences on prompts that it does not read to their end; for each classifier that
            leads to nothing in the prompts, that it took no part.
    """

    recipe: Recipe
    classifiers: Mapping[str, Classifier]
    stepped: Mapping[str, Classifier]
    encoders: Mapping[str, Encoder]
    pictures: Pictures
    device: torch.device | str
    named: Named
    resolutions: tuple[int, ...]
    views: Compose
    target_views: Compose | None
    unknown: Mapping[str, tuple[str, ...]]
    warnings: Mapping[str, tuple[str, ...]]

    @property
    def guides(self) -> Guides:
        """The prompts."""
        return self.recipe.guides

    @property
    def unit(self) -> Unit | None:
        """The unit that the picture is to excite, if there is one."""
        return self.recipe.named_unit

    def completed(self, **found: object) -> "Plan":
        """The same with some fields of its recipe filled in: see `Recipe.completed`."""
        return replace(self, recipe=self.recipe.completed(**found))

    def of_image(self, index: int) -> "Plan":
        """The plan of image `index` of a batch alone, which may have a photo of its own."""
        own, source = self.completed(seed=self.recipe.seed + index, images=1), self.pictures.source
        if source is None or len(source) == 1:
            return own
        return replace(own, pictures=replace(self.pictures, source=source[index : index + 1]))


def plan_of(
    recipe: Recipe,
    models: Mapping[str, Model],
    pictures: Pictures = NO_PICTURES,
    device: torch.device | str = "cpu",
) -> Plan:
    """Read a recipe for the models, of which `models` holds at least its own by name, and for the pictures.

    StudioError for anything in the recipe that does not fit them, or cannot be read.
    """
    recipe = fill_in(recipe, pictures)
    leading = led(recipe, classes_of(recipe, models))
    recipe = leading.recipe
    classifiers, encoders = sorted_models(recipe, models)
    named = named_classes(recipe, classifiers).taking(leading.taken_for)
    recipe = with_own_names(recipe, classifiers, named)
    stepped = classifiers
    unknown = unknown_words(recipe.guides, encoders, leading.prompts)
    warnings = reading_warnings(recipe.guides, encoders) | {name: (why,) for name, why in leading.apart.items()}
    if not (recipe.target or recipe.style):  # which they look at, too
        encoders = readers(recipe.guides, encoders, leading.prompts)
    resolutions, views = resolutions_of(recipe), views_of(recipe)
    target_views = parse_views(recipe.target_views) if recipe.target_views else None
    if recipe.version >= (ACCELERATED if recipe.task == "attack" else ALL_ACCELERATED):
        stepped = {name: accelerated(classifier) for name, classifier in classifiers.items()}
    return Plan(
        recipe=recipe,
        classifiers=classifiers,
        stepped=stepped,
        encoders=encoders,
        pictures=_placed(pictures, device),
        device=device,
        named=named,
        resolutions=resolutions,
        views=views,
        target_views=target_views,
        unknown=unknown,
        warnings=warnings,
    )


def views_of(recipe: Recipe) -> Compose:
    """Read the views of a recipe. Those of a picture that tiles look across its edges, too."""
    views = parse_views(recipe.views)
    across = any(isinstance(view, Roll) or (isinstance(view, RandomWindow) and view.wrap) for view in views.views)
    return Compose((Roll(), *views.views)) if recipe.tile and not across else views


def _placed(pictures: Pictures, device: torch.device | str) -> Pictures:
    given = {field.name: getattr(pictures, field.name) for field in fields(pictures)}
    return Pictures(
        **{name: image.detach().to(device, torch.float32) for name, image in given.items() if image is not None}
    )
