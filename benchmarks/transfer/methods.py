"""What is compared: the product's presets, each given the same number of gradient passes through a surrogate.

A pass is one picture forward and backward through one network. A method that looks at several views, or at copies, in
a step takes as many fewer steps. Rules whose steps add up to a part of eps by their authors (`Rule.reach`) still do so
in the other number of steps; APGD starts with 2 eps whatever the number. Everything else is the preset's own: update
rule, momentum, views, start, and whether its best step is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.objectives.classes import AWAY
from generator.optimisers.registry import OPTIMISERS
from generator.recipes.presets import preset_fields
from generator.recipes.recipe import Recipe

PASSES = 20
NOISE = "noise"
"""The control: every value is moved by eps, up or down by chance."""


@dataclass(frozen=True)
class Method:
    """A row of the tables.

    Attributes:
        preset: of the product.
        says: how it departs from the preset beside the number of steps; "" where it does not.
        changes: those fields.
        copies: how many copies of a picture its views show a model at once.
    """

    preset: str
    says: str = ""
    changes: Mapping[str, object] = field(default_factory=dict)
    copies: int = 1

    def recipe(self, models: tuple[str, ...], eps: float, *, target: str = "", passes: int = PASSES) -> Recipe:
        """The recipe with which photos are attacked: to a target, or away from what each model sees."""
        fields = {**preset_fields("attack", self.preset), **self.changes}
        a_step = int(str(fields["views_per_step"])) * self.copies
        steps = max(1, passes // a_step)
        reach = OPTIMISERS[str(fields.get("optimiser", "sgd"))].reach
        rate = {"learning_rate": reach / steps} if reach and "learning_rate" not in self.changes else {}
        aim: dict[str, object] = {"classes": (target,)} if target else {"objective": AWAY, "classes": ()}
        return Recipe.model_validate(fields | {"models": models, "eps": eps, "steps": steps} | rate | aim)

    def passes_of(self, recipe: Recipe, steps: int) -> int:
        """How many gradient passes through each model so many steps of a recipe are."""
        return steps * recipe.views_per_step * self.copies


_ALL_STEPS = {"enough": 0.0}
_TWO_VIEWS = "2 views a step instead of 8"

METHODS: Mapping[str, Method] = {
    "transferable": Method("transferable"),
    "transferable, pixels": Method("transferable", "single pixels", {"perturbation": "pixel"}),
    "standard": Method("standard"),
    "layers": Method("standard", "takes all steps", _ALL_STEPS),
    "pixels": Method("standard", "takes all steps, single pixels", _ALL_STEPS | {"perturbation": "pixel"}),
    "pgd": Method("pgd"),
    "apgd": Method("apgd"),
    "mi-fgsm": Method("mi-fgsm"),
    "ti-di-mi": Method("ti-di-mi"),
    "si-ti-di-mi": Method("si-ti-di-mi", copies=5),
    "das-attack": Method("das-attack", _TWO_VIEWS, {"views_per_step": 2, "learning_rate": 0.3}),
    "survival": Method("survival", _TWO_VIEWS, {"views_per_step": 2}),
    "m-attack": Method("m-attack", "classes instead of a target picture", {"target_views": ""}),
}
"""Every method by the name of its row."""
