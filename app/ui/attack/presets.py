"""How an attack begins: a preset of this program, or an attack as it was published; either fills the fields in."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.ui.attack.change import ChangeInput
from app.ui.attack.targets import TARGET, TASK, ClassTargets
from app.ui.widgets.budget import BudgetInput
from app.ui.widgets.forms import RecipeFields
from app.ui.wiring.guard import QUICK, Updates
from generator.recipes.preset import Preset
from generator.recipes.presets import DEFAULT_PRESET, PUBLISHED, from_preset, preset_fields, presets_of
from generator.recipes.recipe import Recipe

OWN_WAYS = ("balance", "keep", "enough", "step_schedule", "detail")
"""What this program's presets do in a way of their own."""
PUBLISHED_INFO = "With the numbers of the paper; what you change afterwards is no longer theirs."


class AttackPresets:
    """Two menus, and the fields that they fill in.

    Args:
        classes, change, budget, fields: what is filled in.
    """

    def __init__(self, classes: ClassTargets, change: ChangeInput, budget: BudgetInput, fields: RecipeFields) -> None:
        self.classes, self.change, self.budget, self.fields = classes, change, budget, fields
        self.usual: Mapping[str, Preset] = presets_of(TASK)
        self.published: Mapping[str, Preset] = PUBLISHED[TASK]
        self.start = DEFAULT_PRESET[TASK]
        self.choices = [(preset.title, name) for name, preset in self.usual.items()]

    def build(self) -> None:
        """Create the menu of this program's presets."""
        self.choice = gr.Radio(
            self.choices,
            value=self.start,
            label="How strong",
            info=self.usual[self.start].description,
            elem_classes=["cx-chips", "cx-costs"],
            elem_id="attack-preset",
        )

    def build_published(self) -> None:
        """Create the menu of published attacks."""
        self.paper = gr.Dropdown(
            [(preset.title, name) for name, preset in self.published.items()],
            value=None,
            filterable=False,
            label="As published",
            info=PUBLISHED_INFO,
            elem_id="attack-published",
        )

    def wire(self, guard: Any, notice: Any) -> None:
        """Connect the events."""
        targets = [self.classes.goal, self.classes.target_area]
        filled = [*self.change.components, *self.budget.components, *self.fields.components]
        outputs = [notice, self.choice, self.paper, *targets, *filled]
        self.choice.input(guard(self.choose), [self.choice], outputs, **QUICK)
        self.paper.input(guard(self.choose_published), [self.paper], outputs, **QUICK)

    def choose(self, name: str | None) -> Updates:
        """Updates for a preset of this program that was just chosen."""
        if name is None or name not in self.usual:
            return {}
        recipe = from_preset(TASK, name)
        return {
            self.choice: gr.Radio(info=self.usual[name].description),
            self.paper: gr.Dropdown(value=None, info=PUBLISHED_INFO),
            **(self.classes.aim(TARGET) if recipe.norm == "none" else {}),
            **self._filled(recipe.model_dump()),
        }

    def choose_published(self, name: str | None) -> Updates:
        """Updates for a published attack that was just chosen.

        Its fields alone may be no recipe: M-Attack's need a target picture, which is asked for when the attack starts.
        """
        if name is None or name not in self.published:
            return {}
        # What a paper does not say is as a recipe has it, and not as this program's own presets do better.
        plain = {one: Recipe.model_fields[one].default for one in OWN_WAYS}
        usual = from_preset(TASK).model_dump() | plain
        return {
            self.choice: gr.Radio(value=None),
            self.paper: gr.Dropdown(info=self.published[name].description),
            **self._filled(usual | preset_fields(TASK, name)),
        }

    def forget(self) -> Updates:
        """Updates for fields that come from somewhere else."""
        return {
            self.choice: gr.Radio(value=None, info="As the picture says."),
            self.paper: gr.Dropdown(value=None, info=PUBLISHED_INFO),
        }

    def _filled(self, fields: Mapping[str, object]) -> Updates:
        eps = fields["eps"]
        assert isinstance(eps, float | int)  # presets are whole recipes
        return {
            **self.change.updates(fields),
            **self.budget.updates(str(fields["norm"]), eps),
            **self.fields.updates(fields),
        }
