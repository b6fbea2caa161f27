"""What an attack changes, and by which update rule, with the step sizes that go with it."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.ui.wiring.guard import Updates
from foundation.choices import menu
from generator.optimisers.registry import OPTIMISERS
from generator.recipes.perturbations import PERTURBATIONS
from generator.recipes.recipe import Recipe

Values = Mapping[Any, Any]
"""Component -> what it holds."""

LAYER_STEP = 0.05
"""Learning rate of signed steps on layers, whose range has no edge to be reached; that of the presets."""
SIGNED = "pgd"
"""What takes the place of an update rule that moves nothing but pixels."""


def rule_fields(rule: str, perturbation: str, steps: int, usual: Recipe) -> dict[str, object]:
    """The fields of a recipe that go with an update rule; ``usual`` has those of presets."""
    known = OPTIMISERS[rule]
    if known.of_presets:
        return {"momentum": usual.momentum, "learning_rate": usual.learning_rate, "step_schedule": usual.step_schedule}
    pixels = PERTURBATIONS[perturbation].single_pixels
    step = round(known.reach / steps, 5) if known.reach and pixels else LAYER_STEP
    return {"momentum": known.usual_momentum, "learning_rate": step, "step_schedule": "constant"}


def kind_for(rule: str, perturbation: str) -> str:
    """The perturbation for an update rule that was just chosen: another one, if the rule moves nothing but pixels."""
    if not OPTIMISERS[rule].pixels_alone or PERTURBATIONS[perturbation].single_pixels:
        return perturbation
    return next(name for name, kind in PERTURBATIONS.items() if kind.single_pixels)


def rule_for(perturbation: str, rule: str) -> str:
    """The update rule for a perturbation that was just chosen: another one, if the rule moves nothing but pixels."""
    moves = PERTURBATIONS[perturbation].single_pixels or not OPTIMISERS[rule].pixels_alone
    return rule if moves else SIGNED


class ChangeInput:
    """Two menus.

    Args:
        recipe: what they hold at first.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._start = recipe

    def build(self) -> None:
        """Create the widgets."""
        self.perturbation = gr.Radio(
            menu(PERTURBATIONS),
            value=self._start.perturbation,
            label="Change",
            elem_classes="cx-chips",
            elem_id="attack-perturbation",
        )
        self.rule = gr.Dropdown(
            menu(OPTIMISERS), value=self._start.optimiser, filterable=False, label="Update rule", elem_id="attack-rule"
        )

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.perturbation, self.rule]

    def read(self, values: Values) -> dict[str, object]:
        """The recipe's fields."""
        return {"perturbation": values[self.perturbation], "optimiser": values[self.rule]}

    def updates(self, fields: Mapping[str, object]) -> Updates:
        """Updates that put a recipe's fields into the widgets."""
        return {self.perturbation: fields["perturbation"], self.rule: fields["optimiser"]}
