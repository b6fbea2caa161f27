"""Presets: a few good starting points, each a set of recipe fields under a name that people understand.

All the numbers that are a matter of taste and tuning stand in the one table below. Attacks as they were published are
in `generator.recipes.presets_published`.
"""

from collections.abc import Mapping

from foundation.errors import StudioError
from generator.optimisers.registry import OPTIMISERS
from generator.recipes.preset import Preset
from generator.recipes.presets_published import PUBLISHED_ATTACKS
from generator.recipes.recipe import Recipe

__all__ = [
    "DEFAULT_PRESET",
    "PRESETS",
    "PUBLISHED",
    "Preset",
    "all_presets_of",
    "from_preset",
    "preset_fields",
    "presets_of",
    "rule_fields",
]

_CLASS = {
    "resolutions": "auto",
    "objective": "logit",
    "colour": "decorrelated",
    "views": "crop:0.8-1 | noise:0.05",
}
_ATTACK = {
    "resolutions": "auto",
    "balance": 1.0,
    "objective": "cross_entropy",
    "views": "crop:0.9-1 or identity | noise:0.02 or identity",
    "views_per_step": 1,
    "momentum": 0.9,
    "step_schedule": "cosine",
    "steps": 20,
    "learning_rate": 0.15,
    "keep": "best",
    "enough": 0.9999,
    "detail": 1.25,
}
"""Chosen on photos of ImageNet with EfficientNet-Lite0, for random targets at 8/255.

Of six targets, 20 steps of 0.05 reached three by the margin, which follows two classes at a time, and five by the
cross-entropy; steps of 0.15 all six. The passes without any view bring the picture itself there; the others keep it
from depending on single pixels: without them it is as sure of the model that is attacked, and fools others less. On a
copy of a large photo with 1.25 times the pixels that the model sees, as many attacks succeed as on the photo itself.
"""

_OTHER_EYES = "crop:0.7-1 or blocks:2 | noise:0.02"
"""Chosen on photos of ImageNet for untargeted attacks on EfficientNet-Lite0 that Lite1 and Lite2 fall for: see
docs/transfer.md. Passes without any view cost most of that."""

_TEXT = {
    "resolutions": "auto",
    "tolerance": 0.01,
    "colour": "decorrelated",
    "views": "crop:0.7-1 | noise:0.07",
}
"""Views that classifiers leading along can bear: under noise of 0.15, EfficientNet-Lite0 hardly follows."""

_OF_CLASSES = {
    "quick": Preset(
        "Quick",
        "A small picture in a few seconds, to try an idea.",
        "class",
        _CLASS | {"size": (128, 128), "steps": 40, "learning_rate": 0.06, "views_per_step": 1},
    ),
    "balanced": Preset(
        "Balanced",
        "A clear picture in moderate time.",
        "class",
        _CLASS | {"size": (192, 192), "steps": 80, "learning_rate": 0.04, "views_per_step": 2},
    ),
    "best": Preset(
        "Best",
        "The most careful picture: larger, with more steps and more views.",
        "class",
        _CLASS | {"size": (256, 256), "steps": 150, "learning_rate": 0.03, "views_per_step": 4},
    ),
}
_OF_ATTACKS = {
    "subtle": Preset(
        "Subtle",
        "No value changes by more than 4 of 255 levels: hardly visible. Ends once the models are sure.",
        "attack",
        _ATTACK | {"norm": "linf", "eps": 4 / 255, "steps": 32},
    ),
    "standard": Preset(
        "Standard",
        "No value changes by more than 8 of 255 levels: the usual budget of research on robustness. Ends once the "
        "models are sure.",
        "attack",
        _ATTACK | {"norm": "linf", "eps": 8 / 255},
    ),
    "strong": Preset(
        "Strong",
        "No value changes by more than 16 of 255 levels: visible, and hard for any model to withstand. Ends once the "
        "models are sure.",
        "attack",
        _ATTACK | {"norm": "linf", "eps": 16 / 255},
    ),
    "transferable": Preset(
        "Transferable",
        "To fool models that are not asked: within 8 of 255 levels as Standard, but it takes all its steps, twice as "
        "many, each through a crop or blocks in another order, and noise. docs/transfer.md has what was measured.",
        "attack",
        _ATTACK | {"norm": "linf", "eps": 8 / 255, "views": _OTHER_EYES, "steps": 40, "enough": 0.0},
    ),
    "turn-into": Preset(
        "Turn into",
        "No limit: the photo visibly turns into the class.",
        "attack",
        _ATTACK
        | {
            "norm": "none",
            "eps": 0.0,
            "objective": "logit",
            "views": "crop:0.9-1 | noise:0.02",
            "enough": 0.0,
            "start_std": 0.0,
            "momentum": 0.0,
            "steps": 100,
            "learning_rate": 0.03,
            "views_per_step": 4,
        },
    ),
}
_OF_TEXTS = {
    "fast": Preset(
        "Fast",
        "A small picture in a few seconds, to try a prompt.",
        "text",
        _TEXT | {"size": (128, 128), "steps": 50, "learning_rate": 0.05, "views_per_step": 2},
    ),
    "balanced": Preset(
        "Balanced",
        "A clear picture in moderate time.",
        "text",
        _TEXT | {"size": (192, 192), "steps": 64, "learning_rate": 0.045, "views_per_step": 3},
    ),
    "best": Preset(
        "Best",
        "The most careful picture: larger, with more steps and more views.",
        "text",
        _TEXT | {"size": (224, 224), "steps": 200, "learning_rate": 0.03, "views_per_step": 8},
    ),
    "das": Preset(
        "As published",
        "Direct Ascent Synthesis step by step (arXiv 2502.07753), for CLIP models that see 224 pixels: 64 windows of "
        "224 pixels a step with uniform noise of 0.2, clipped to [0, 1]; steps of 0.2 along the mean over a prompt and "
        "the two negative ones, which a sum of three texts reaches at a rate of 0.2 / 3. Kept is the whole canvas of "
        "336 pixels with its softer frame; theirs is its middle of 224. Very slow without a GPU.",
        "text",
        {
            "negative": "text:0.3 | double exposure:0.3",
            "size": (336, 336),
            "resolutions": "1..336",
            "tolerance": 0.003,
            "colour": "rgb",
            "views": "window:224 | uniform:0.2 | clip",
            "views_per_step": 64,
            "start_std": 0.0,
            "steps": 100,
            "optimiser": "sgd",
            "momentum": 0.0,
            "learning_rate": 0.2 / 3,
            "normalise": False,
        },
    ),
}

_BY_TASK: Mapping[str, Mapping[str, Preset]] = {"class": _OF_CLASSES, "text": _OF_TEXTS, "attack": _OF_ATTACKS}

PRESETS: Mapping[str, Preset] = {**_OF_CLASSES, **_OF_ATTACKS}
"""The presets of pictures of a class and of attacks, whose names differ; see `presets_of` for those of any task."""

PUBLISHED: Mapping[str, Mapping[str, Preset]] = {"class": {}, "text": {}, "attack": PUBLISHED_ATTACKS}
"""By task, the presets that repeat what a paper did; their names are none of `presets_of`."""

DEFAULT_PRESET: Mapping[str, str] = {"class": "balanced", "text": "balanced", "attack": "standard"}
"""The preset of each task where none is chosen."""


def rule_fields(optimiser: str) -> dict[str, object]:
    """Return what goes with an update rule that is chosen in place of a preset's, unless it is one of presets."""
    known = OPTIMISERS.get(optimiser)  # of another, the recipe says that there is none
    if known is not None and known.of_presets:
        return {}
    return {"momentum": known.usual_momentum if known else 0.0, "step_schedule": "constant"}


def presets_of(task: str) -> dict[str, Preset]:
    """Return the presets of a task that everybody can start from, in the order in which to offer them."""
    return dict(_BY_TASK[task])


def all_presets_of(task: str) -> dict[str, Preset]:
    """Return these and then the published ones, some of which need more to be valid, such as a target picture."""
    return {**_BY_TASK[task], **PUBLISHED[task]}


def preset_fields(task: str, name: str | None = None, *, from_photo: bool = False) -> dict[str, object]:
    """Return the task and the recipe fields that a preset sets; by default, the task's own preset.

    A text that starts `from_photo` starts from the photo itself, with no random pattern over it.
    """
    name = name or DEFAULT_PRESET[task]
    presets = all_presets_of(task)
    if name not in presets:
        raise StudioError(f"There is no preset '{name}' for the task '{task}'. Choose from {', '.join(presets)}.")
    start = {"start_std": 0.0} if task == "text" and from_photo else {}
    return {"task": task, **presets[name].overrides, **start}


def from_preset(task: str, name: str | None = None, *, from_photo: bool = False, **changes: object) -> Recipe:
    """Return the recipe of a preset with some fields changed; StudioError if they do not fit together."""
    return Recipe.model_validate(preset_fields(task, name, from_photo=from_photo) | changes)
