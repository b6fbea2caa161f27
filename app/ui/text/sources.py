"""The pictures that a text may start from or be led by, with how much each counts: parts of the tab's advanced fold."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.ui.widgets.budget import BudgetInput
from app.ui.widgets.forms import label_of, number
from app.ui.widgets.mask import MaskInput
from app.ui.widgets.picture_input import PictureInput, put_picture
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from generator.recipes.fields import cli_fields
from generator.recipes.recipe import Recipe

Values = Mapping[Any, Any]
"""Component -> what it holds."""

FREE = "none"


class StartInputs:
    """The photo to start from, how far the picture may go from it, and where.

    Args:
        studio: what the page works with.
        recipe: what the widgets hold at first.
    """

    def __init__(self, studio: Studio, recipe: Recipe) -> None:
        self.studio = studio
        self.photo = PictureInput(studio, "text-source", empty="Nothing: the picture is drawn from a plain colour.")
        self.budget = BudgetInput("text", recipe.norm, recipe.eps, label="What limits the change")
        self.mask = MaskInput(studio, "text-mask")
        self._margin = recipe.margin

    def build(self) -> None:
        """Create the widgets."""
        self.photo.build()
        self.mask.build()
        with gr.Column(visible=False, elem_classes="cx-group") as self.limits:
            self.budget.build()
            self.margin = gr.Number(
                self._margin, label="Margin", info=help_of("margin"), elem_id="text-margin", step=0.05
            )
        self.photo.also([self.limits, *self.mask.outputs], self._follow)

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.photo.name, *self.budget.components, self.margin, self.mask.editor]

    def read(self, values: Values) -> tuple[dict[str, object], dict[str, str]]:
        """The recipe's fields, and the digests of the pictures by what they are there for. FormError as a sentence."""
        chosen: Kept | None = values[self.photo.name]
        if chosen is None:
            return {"norm": FREE, "eps": 0.0, "margin": 0.0}, {}
        size = self.studio.uploads.size(chosen)
        fields = self.budget.read(values[self.budget.norm], values[self.budget.eps])
        margin = number(values[self.margin], "Margin", "a number from 0 to below 0.5")
        mask = self.mask.read(values[self.mask.editor], size, chosen.owner)
        fields["margin"] = margin if fields["norm"] == FREE else 0.0
        return fields, {"source": chosen.digest} | ({"mask": mask} if mask else {})

    def wire(self, owner: gr.BrowserState) -> None:
        """Connect the events; ``owner`` is the browser's state that holds the owner's token."""
        self.photo.wire(owner)
        guard = guarded(self.photo.notice)
        outputs = [self.photo.notice, self.budget.eps, self.margin]

        def choose(norm: str) -> Updates:
            return {**self.budget.choose(norm), self.margin: gr.Number(visible=norm == FREE)}

        self.budget.norm.input(guard(choose), [self.budget.norm], outputs, **QUICK)

    @property
    def outputs(self) -> list[Any]:
        """What ``fill`` changes."""
        return [*self.photo.outputs, *self.budget.components, self.margin]

    def fill(self, recipe: Recipe, owner: str) -> tuple[Updates, list[str]]:
        """Updates that put a recipe into the widgets, and the pictures that this visitor has not brought."""
        updates, missing = put_picture(self.photo, recipe.source, owner, "the photo to start from")
        if recipe.mask and not missing:
            if self.studio.uploads.has(recipe.mask, owner):
                updates |= self.mask.paint(Kept(owner, recipe.source), Kept(owner, recipe.mask))
            else:
                missing = ["the mask"]
        margin = gr.Number(value=recipe.margin, visible=recipe.norm == FREE)
        return {**updates, **self.budget.updates(recipe.norm, recipe.eps), self.margin: margin}, missing

    def _follow(self, chosen: Kept | None) -> Updates:
        return {self.limits: gr.Column(visible=chosen is not None), **self.mask.follow(chosen)}


class LeadingPicture:
    """A picture whose embedding counts beside the prompt: the target, or the style.

    Args:
        studio: what the page works with.
        role: "target" or "style".
        empty: what stands there while there is none.
        recipe: what the widgets hold at first.
    """

    def __init__(self, studio: Studio, role: str, empty: str, recipe: Recipe) -> None:
        self._role, self._field = role, f"{role}_weight"
        self._value = getattr(recipe, self._field)
        self.picture = PictureInput(studio, f"text-{role}", empty=empty)

    def build(self) -> None:
        """Create the widgets."""
        gr.HTML(f'<span class="cx-label">{self._role.capitalize()} picture</span>', apply_default_css=False)
        self.picture.build()
        self.weight = gr.Number(
            self._value,
            label=label_of(self._field),
            info=help_of(self._field),
            visible=False,
            step=0.1,
            elem_id=f"text-{self._role}-weight",
        )
        self.picture.also([self.weight], lambda chosen: {self.weight: gr.Number(visible=chosen is not None)})

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.picture.name, self.weight]

    def read(self, values: Values) -> tuple[dict[str, object], dict[str, str]]:
        """As ``StartInputs.read``."""
        chosen: Kept | None = values[self.picture.name]
        if self.picture.path(chosen) is None or chosen is None:
            return {}, {}
        weight = number(values[self.weight], label_of(self._field), "a number, for example 1")
        return {self._field: weight}, {self._role: chosen.digest}

    @property
    def outputs(self) -> list[Any]:
        """What ``fill`` changes."""
        return self.picture.outputs

    def fill(self, recipe: Recipe, owner: str) -> tuple[Updates, list[str]]:
        """As ``StartInputs.fill``."""
        updates, missing = put_picture(self.picture, getattr(recipe, self._role), owner, f"the {self._role} picture")
        weight = getattr(recipe, self._field)
        shown = bool(getattr(recipe, self._role)) and not missing
        return {**updates, self.weight: gr.Number(value=weight, visible=shown)}, missing


def help_of(name: str) -> str:
    """What a field of the recipe is for."""
    return next(field.help for field in cli_fields("text") if field.name == name)
