"""Classes that join in a picture of a text: which classifiers, what they should see, and how much it counts."""

from typing import Any

import gradio as gr

from app.ui.text.sources import Values, help_of
from app.ui.widgets.class_choice import refuse_unknown
from app.ui.widgets.forms import FormError, number, parse_mixture, write_mixture
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from generator.objectives.classes import usual_for_mixtures
from generator.recipes.recipe import Recipe


class ClassInputs:
    """Menus of classifiers and classes.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build(self) -> None:
        """Create the widgets."""
        self.classifiers = gr.Dropdown(
            self._choices(),
            value=[],
            multiselect=True,
            label="Classifiers",
            info="Models whose classes join in.",
            elem_id="text-classifiers",
        )
        self.classes = gr.Textbox(
            label="Classes",
            info="What the classifiers should see. Names of several models for one thing: tabby | cat.",
            placeholder="frog 60, ship 40",
            elem_id="text-classes",
        )
        self.weight = gr.Number(
            1.0, label="Class weight", info=help_of("class_weight"), step=0.1, elem_id="text-class-weight"
        )

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks and ``fill`` changes."""
        return [self.classifiers, self.classes, self.weight]

    def read(self, values: Values, objective: str) -> tuple[tuple[str, ...], dict[str, object]]:
        """The classifiers, and the recipe's fields about classes. FormError if they do not fit together."""
        classifiers = tuple(values[self.classifiers] or ())
        written = str(values[self.classes] or "").strip()
        if not classifiers and not written:
            return (), {}
        if not classifiers:
            raise FormError("Classes are for classifiers: choose at least one beside them, or clear Classes.")
        if not written:
            raise FormError("Say in Classes what the classifiers should see, or choose no classifier.")
        weight = number(values[self.weight], "Class weight", "a number, for example 1")
        classes, weights = parse_mixture(written, self.studio.class_names(classifiers[0]))
        refuse_unknown(self.studio, classifiers, classes)
        mixed = {"objective": usual_for_mixtures(objective)} if len(classes) > 1 else {}
        return classifiers, {"classes": classes, "weights": weights, "class_weight": weight, **mixed}

    def fill(self, recipe: Recipe, classifiers: list[str]) -> Updates:
        """Updates that put a recipe into the widgets."""
        return {
            self.classifiers: classifiers,
            self.classes: write_mixture(recipe.classes, recipe.weights) or ", ".join(recipe.classes),
            self.weight: recipe.class_weight or 1.0,
        }

    def refresh(self) -> Updates:
        """Ask again which models there are."""
        return {self.classifiers: gr.Dropdown(choices=self._choices())}

    def _choices(self) -> list[tuple[str, str]]:
        return [(info.title, info.name) for info in self.studio.classifiers() if info.ready]
