"""Classifiers that lead a text along: which, what they should see if not what the prompt names, how much it counts."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.ui.text.sources import Values, help_of
from app.ui.widgets.class_choice import refuse_unknown
from app.ui.widgets.forms import FormError, number, parse_mixture, write_mixture
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from generator.objectives.classes import usual_for_mixtures
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import DRAWERS, LEAD
from generator.synthesis.leading import Led, led


class ClassInputs:
    """Menus of classifiers and classes.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        ready = {info.name for info in studio.classifiers() if info.ready}
        self.leaders = [name for name in DRAWERS["text"] if name in ready]
        """Those that lead along unless somebody chooses others."""

    def build(self) -> None:
        """Create the widgets."""
        self.classifiers = gr.Dropdown(
            self._choices(),
            value=self.leaders,
            multiselect=True,
            label="Classifiers",
            info="They lead along: each draws its class for what the prompt names, if it knows one.",
            elem_id="text-classifiers",
        )
        self.classes = gr.Textbox(
            label="Classes",
            info="What the classifiers should see, in place of what the prompt names. Names of several models for one "
            "thing: tabby | cat.",
            placeholder="As the prompt says",
            elem_id="text-classes",
        )
        self.weight = gr.Number(
            LEAD, label="Class weight", info=help_of("class_weight"), step=0.05, elem_id="text-class-weight"
        )

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks and ``fill`` changes."""
        return [self.classifiers, self.classes, self.weight]

    def read(self, values: Values, objective: str) -> tuple[tuple[str, ...], dict[str, object]]:
        """The classifiers, and the recipe's fields about classes that are named here.

        Where none are, the prompt says them: see ``led``. FormError for classes without a classifier.
        """
        classifiers = tuple(values[self.classifiers] or ())
        written = str(values[self.classes] or "").strip()
        if not classifiers and written:
            raise FormError("Classes are for classifiers: choose at least one beside them, or clear Classes.")
        weight = self._weight(values)
        if not written:
            return classifiers, {"class_weight": weight} if classifiers else {}
        classes, weights = parse_mixture(written, self.studio.class_names(classifiers[0]))
        refuse_unknown(self.studio, classifiers, classes)
        mixed = {"objective": usual_for_mixtures(objective)} if len(classes) > 1 else {}
        return classifiers, {"classes": classes, "weights": weights, "class_weight": weight, **mixed}

    def led(self, recipe: Recipe) -> Led:
        """A recipe whose classifiers have the classes that its prompt names, or are gone."""
        return led(recipe, self._names(recipe))

    def _weight(self, values: Values) -> float:
        return number(values[self.weight], "Class weight", "a number, for example 0.1")

    def _names(self, recipe: Recipe) -> dict[str, tuple[str, ...]]:
        return {name: names for name in recipe.models if (names := self.studio.class_names(name))}

    def fill(self, recipe: Recipe, classifiers: list[str]) -> Updates:
        """Updates that put a recipe into the widgets: classes only where its prompt would give others."""
        offered = list(dict.fromkeys([*classifiers, *self.leaders]))
        written = write_mixture(recipe.classes, recipe.weights) or ", ".join(recipe.classes)
        if self._says_itself(recipe, offered):
            classifiers, written = offered, ""
        return {
            self.classifiers: classifiers,
            self.classes: written,
            self.weight: recipe.class_weight or LEAD,
        }

    def _says_itself(self, recipe: Recipe, offered: Sequence[str]) -> bool:
        """Whether the prompt gives the recipe's classes to its classifiers, and none to the others on offer."""
        own = {name for name in recipe.models if self.studio.class_names(name)}
        models = (*(name for name in recipe.models if name not in own), *offered)
        fields = {"classes": (), "weights": (), "class_weight": 0.0, "model_weights": ()}
        try:
            bare = recipe.with_changes(models=models, **fields)
        except StudioError:
            return False
        found = led(bare, self._names(bare)).recipe
        same = ("classes", "weights", "model_weights", "objective")
        return set(found.models) == set(recipe.models) and all(getattr(found, f) == getattr(recipe, f) for f in same)

    def refresh(self) -> Updates:
        """Ask again which models there are."""
        return {self.classifiers: gr.Dropdown(choices=self._choices())}

    def _choices(self) -> list[tuple[str, str]]:
        return [(info.title, info.name) for info in self.studio.classifiers() if info.ready]
