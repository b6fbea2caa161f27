"""What the photo really shows: what an attack leads away from, and what the answers before it are judged by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui.attack.targets import Values
from app.ui.widgets.class_choice import by_number
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from generator.classes.names import Names
from generator.inputs.photos import Photo
from generator.recipes.recipe import Recipe
from generator.transfer.aims import recipe_for

LONGEST = 200


class TruthInput:
    """A class by its name: one of the models', or any other word. Empty, it is for each model what it says now.

    Args:
        studio: what the page works with.
        model: attacked at first.
    """

    def __init__(self, studio: Studio, model: str) -> None:
        self.studio, self._model = studio, model

    def build(self) -> None:
        """Create the widget."""
        self.name = gr.Dropdown(
            self._classes([self._model]),
            value=None,
            allow_custom_value=True,
            label="What it really shows",
            info="A class by its name. While it is empty, what each model says now counts as true.",
            elem_id="attack-truth",
        )

    @property
    def components(self) -> list[Any]:
        """The widget that ``read`` and ``led`` ask."""
        return [self.name]

    def follow(self, models: Sequence[str]) -> Updates:
        """Offer the classes of models that were just chosen."""
        return {self.name: gr.Dropdown(choices=self._classes(models))}

    def fill(self, recipe: Recipe) -> Updates:
        """Updates for a recipe, which names what it leads away from."""
        left = recipe.classes[0] if recipe.leads_away and recipe.classes else None
        classes = self._classes(recipe.models)
        return {self.name: gr.Dropdown(choices=classes, value=left and by_number(left, classes))}

    def forget(self, _picture: Kept | None) -> Updates:
        """Empty it: another picture shows something else."""
        return {self.name: None}

    def read(self, values: Values) -> str:
        """The name, "" for none. FormError for one that cannot be a name."""
        name = str(values[self.name] or "").strip()
        if len(name) > LONGEST:
            raise FormError(f"Say in at most {LONGEST} letters what the photo really shows.")
        return name

    def led(self, recipe: Recipe, values: Values) -> Recipe:
        """The recipe, away from the true class if it leads away from a class; {label} in texts is its name.

        Raises:
            StudioError: the models to attack do not know the class that they are to leave.
        """
        photo = Photo("photo", Path(), self.read(values))
        return recipe_for(recipe, photo, self._classes(recipe.models), Names())

    def _classes(self, models: Sequence[str]) -> list[str]:
        """The classes of the first of the models that has any."""
        return next((list(names) for name in models if (names := self.studio.class_names(name))), [])
