"""A recipe as others write it: as the command line, and as a few lines of Python, that make the same picture."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from foundation.command_line.flags import ConfigField
from generator.recipes.fields import cli_fields
from generator.recipes.presets import preset_fields, rule_fields
from generator.recipes.recipe import RECIPE_VERSION, Recipe
from generator.recipes.schema import TASK_DEFAULTS

FLAGS: Mapping[str, str] = {"source": "--start", "mask": "--mask", "target": "--target", "style": "--style"}
"""Pictures that a recipe names by their digests, and the flags of their files; the photo of an attack needs none."""
FILES: Mapping[str, str] = {name: f"{name}.png" for name in FLAGS}
"""What the files of these pictures are called where nobody says."""


def sayable(recipe: Recipe) -> bool:
    """Whether flags can say all of a recipe: none says its version, or steps that were planned and not taken."""
    return recipe.version == RECIPE_VERSION and recipe.planned_steps in (0, recipe.steps)


def command_of(recipe: Recipe, files: Mapping[str, str] = FILES) -> str:
    """The command line that makes the picture of a recipe, quoted for a POSIX shell; ``files`` are its pictures'."""
    return shlex.join(["python", "-m", "generator", *arguments_of(recipe, files)])


def arguments_of(recipe: Recipe, files: Mapping[str, str] = FILES) -> list[str]:
    """The arguments of `python -m generator` that say a recipe: the command, and every field that it has otherwise.

    Pictures of classes, texts and attacks alike; see ``sayable`` for what no argument says.
    """
    task = recipe.task
    usual: dict[str, object] = {field.name: field.default for field in cli_fields(task)}
    usual |= {**TASK_DEFAULTS.get(task, {}), **preset_fields(task, from_photo=bool(recipe.source))}
    usual |= rule_fields(recipe.optimiser)
    if task != "attack":  # who draws where nobody says depends on what is there
        del usual["models"]
    if recipe.leads_away:
        usual["classes"] = ()
    said = {"prompt"} if task == "text" else {"norm", "eps"} if task == "class" else {"size"}
    brought = [name for name in FLAGS if getattr(recipe, name)]
    argued = [_positional(files["source"])] if task == "attack" else []
    ending: list[str] = []
    if task == "text" and recipe.prompt:
        # what begins with a hyphen would be taken for a flag
        argued, ending = ([], ["--", recipe.prompt]) if recipe.prompt.startswith("-") else ([recipe.prompt], [])
    for name in brought:
        if task != "attack" or name != "source":
            argued += [FLAGS[name], files[name]]
    for field in cli_fields(task):
        value = getattr(recipe, field.name)
        if field.name not in said and value != _tuples(usual.get(field.name)):
            argued += _flag(field, value)
    return [task, *argued, *ending]


def _positional(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _flag(field: ConfigField, value: Any) -> list[str]:
    if field.type is bool:
        return [field.flag if value else field.flag.replace("--", "--no-", 1)]
    if field.several:
        return [field.flag, *map(str, value)]
    written = str(value)
    return [f"{field.flag}={written}"] if written.startswith("-") or not written else [field.flag, written]


def python_of(recipe: Recipe, files: Mapping[str, str] = FILES) -> str:
    """Lines of Python that make the picture of a recipe and save it as picture.png (several: picture-1.png...)."""
    fields = said_fields(recipe)
    brought = [name for name in FLAGS if getattr(recipe, name) or (name == "source" and recipe.task == "attack")]
    lines = ["from pathlib import Path", ""]
    if brought:
        lines += ["from foundation.images.files import load_image, to_tensor"]
    lines += ["from generator.production.production import output_paths, produce"]
    if brought:
        lines += ["from generator.recipes.pictures import Pictures"]
    lines += [
        "from generator.recipes.recipe import Recipe",
        "from robust_model.zoo.catalogue import open_catalogue",
        "",
        "recipe = Recipe(",
        *(f"    {name}={value!r}," for name, value in fields.items()),
        ")",
        "catalogue = open_catalogue()",
        "models = {name: catalogue.load(name) for name in recipe.models}",
    ]
    if brought:
        given = ", ".join(f"{name}=to_tensor(load_image({files[name]!r}))" for name in brought)
        lines += [f"pictures = Pictures({given})"]
    call = "recipe, models, outputs=output_paths(Path('picture.png'), recipe.images)"
    lines += [f"produce({call}{', pictures=pictures' if brought else ''})"]
    return "\n".join(lines) + "\n"


def said_fields(recipe: Recipe) -> dict[str, object]:
    """The fields of a recipe that differ from what it has by itself, and those that it has by its task."""
    of_task: Sequence[str] = ("version", "task", *TASK_DEFAULTS.get(recipe.task, {}))
    fields = type(recipe).model_fields
    return {
        name: getattr(recipe, name)
        for name in fields
        if name in of_task or (name != "revisions" and getattr(recipe, name) != fields[name].get_default())
    }
