"""A picture of ours that was opened: its recipe in the widgets, and what of it no widget holds.

Widgets round numbers, and hold no field that the program fills in: the version of a recipe and the steps that it was
planned for. As long as they say what they were filled with, the recipe of the picture itself is made again, so that
the file comes out the same; whatever is changed in them makes a recipe of its own.
"""

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui.markup import gallery, markup
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from app.visitors.upload_files import brought
from foundation.errors import StudioError
from foundation.images.files import METADATA_KEY, read_metadata
from foundation.images.pixels import ImageError
from generator.recipes.recipe import Recipe
from generator.recipes.schema import FILLED_IN

TABS: Mapping[str, str] = {"text": "Text to image", "class": "Class to image", "attack": "Attack an image"}
"""Task of a recipe -> the tab that makes such pictures."""
OPEN_HINT = (
    "Every PNG made here carries its recipe, unless it was told not to. Open one, or drop it anywhere on the page, to "
    "fill in all the fields as they were."
)
ALIKE = 1e-5
"""Widgets show numbers rounded: this close, relatively, they are those of the recipe."""
CLOSE = 1e-6

Values = Mapping[Any, Any]
"""Component -> what it holds."""

_BARS = re.compile(r"\s*\|\s*")


@contextlib.contextmanager
def one_of(paths: str | list[str] | None) -> Iterator[Path]:
    """The one file that was brought. FormError if it is none, or several; they go in any case."""
    given = [paths] if isinstance(paths, str) else list(paths or ())
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(brought(path)) for path in given]
        if len(files) != 1:
            raise FormError("Open one picture at a time.")
        yield files[0]


def recipe_in(file: Path) -> Recipe | None:
    """The recipe that a picture carries, None where it carries none. StudioError if what it carries is not one."""
    try:
        texts = read_metadata(file)
    except ImageError:  # no PNG, or none at all, which is said where it is read as a photo
        return None
    return Recipe.parse_json(texts[METADATA_KEY]) if METADATA_KEY in texts else None


def build_repeating(prefix: str) -> tuple[gr.UploadButton, gr.Button]:
    """The end of a form: the button that opens a picture, in a fold, and the one that resets the form."""
    with gr.Accordion("Repeat a picture", open=False, elem_classes="cx-fold"):
        gr.HTML(f"<p class='cx-hint'>{OPEN_HINT}</p>", apply_default_css=False)
        repeat = gr.UploadButton("Open a PNG", size="md", elem_id=f"{prefix}-repeat")
    with gr.Row(elem_classes="cx-actions"):
        reset = gr.Button("Reset the form", size="md", elem_id=f"{prefix}-reset")
    return repeat, reset


def recipe_switch(prefix: str) -> gr.Checkbox:
    """The switch that leaves the recipe out of the files."""
    return gr.Checkbox(
        value=True,
        label="The picture carries its recipe",
        info="In the PNG, so that it can be made again. Without, the file holds the pixels alone.",
        elem_id=f"{prefix}-with-recipe",
    )


@dataclass(frozen=True)
class Opened:
    """The recipe of a picture that was opened.

    Attributes:
        recipe: as the picture carries it.
        shown: what the widgets say of its fields where that is not what it has.
    """

    recipe: Recipe
    shown: Mapping[str, object] = field(default_factory=dict)

    def again(self, made: Recipe) -> Recipe:
        """The recipe of the picture if the widgets still say so, else the one that was ``made`` of them.

        Pictures are those of ``made``: whoever opens a picture need not have the photo that it was made from.
        """
        if not all(self.says(name, getattr(made, name)) for name in _settings(made)):
            return made
        pictures = {name: getattr(made, name) for name in ("source", "target", "style", "mask")}
        return self.recipe.with_changes(revisions=(), **pictures)

    def says(self, name: str, value: Any) -> bool:
        """Whether the widgets still hold a field as they were filled."""
        return _alike(self.shown.get(name, getattr(self.recipe, name)), value)


def _settings(made: Recipe) -> list[str]:
    """The fields that a visitor sets. The size is that of a photo where there is one."""
    skipped = {"size"} if made.task == "attack" or made.source else set()
    fields = type(made).model_fields
    return [name for name in fields if fields[name].json_schema_extra != FILLED_IN and name not in skipped]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=ALIKE, abs_tol=CLOSE)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(_alike(first, second) for first, second in zip(one, other, strict=True))
    if isinstance(one, str) and isinstance(other, str):
        return _BARS.sub("|", one) == _BARS.sub("|", other)
    return bool(one == other)


def made_again(opened: Opened | None, made: Recipe) -> Recipe:
    """What is made: see ``Opened.again``; without a picture that was opened, what the widgets say."""
    return made if opened is None or opened.recipe.task != made.task else opened.again(made)


def refuse_other_tasks(recipe: Recipe, task: str) -> None:
    """Refuse a recipe that another tab makes. FormError names that tab."""
    if recipe.task != task:
        raise FormError(f"This picture belongs to the tab {TABS[recipe.task]}: open it there, or drop it on the page.")


def refuse_absent_models(recipe: Recipe, studio: Studio) -> None:
    """Refuse a recipe whose models this page cannot use: a name in a file is no reason to load anything.

    Raises:
        StudioError: which model, and why not.
    """
    encoders = {info.name: info for info in studio.encoders()}
    for name in recipe.models:
        info = encoders.get(name) or studio.classifier(name)
        if info is None:
            raise FormError(
                f"The picture was made with the model '{name[:80]}', which is not in the list here. Add that model, or "
                "repeat the picture on the command line."
            )
        if not info.ready and not gallery.needs_download(info):
            raise FormError(f"The picture was made with {info.title}, which is not ready. {info.why_not}")
    if recipe.task == "text" and not any(name in encoders for name in recipe.models):
        raise FormError("This recipe has no model that reads texts, so it says nothing of what the prompt is for.")
    if recipe.task == "class" and any(name in encoders for name in recipe.models):
        raise FormError("This recipe asks a model that reads texts for a class: no such picture can be made here.")


def opened_words(opened: Opened, missing: Sequence[str], studio: Studio) -> str:
    """What is to be known of a picture that was opened, as a notice; empty if that is nothing."""
    recipe, sentences = opened.recipe, []
    if missing:
        them = "it" if len(missing) == 1 else "them"
        sentences.append(
            f"Bring {' and '.join(missing)}: the picture was made with {them}, and you have not brought {them} here. "
            "Everything else is filled in."
        )
    changed = _changed_models(recipe, studio)
    if changed:
        sentences.append(f"Since then {' and '.join(changed)} changed, so it will not come out the same.")
    unsaid = [name for name, shown in opened.shown.items() if not _is_by_number(name, shown, recipe)]
    if unsaid:
        fields = ", ".join(f"{name} {_written(getattr(recipe, name))}" for name in unsaid)
        sentences.append(
            f"No field here says all that the picture was made by ({fields}). It counts as long as nothing is changed."
        )
    return markup.notice(" ".join(sentences), tone="warn") if sentences else ""


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _is_by_number(name: str, shown: Any, recipe: Recipe) -> bool:
    """Whether what is shown are the names of classes that a recipe gives by their numbers."""
    return name == "classes" and len(shown) == len(recipe.classes)


def _changed_models(recipe: Recipe, studio: Studio) -> list[str]:
    """What the models of a recipe are called whose weights here are not those that made the picture."""
    infos = {info.name: info for info in (*studio.classifiers(), *studio.encoders())}
    return [
        infos[name].title
        for name, then in zip(recipe.models, recipe.revisions, strict=False)
        if name in infos and not _same_start(then, infos[name].revision)
    ]


def _same_start(one: str, other: str) -> bool:
    """Whether two starts of a digest may be of the same one; of an empty one, nothing is known."""
    return one.startswith(other) or other.startswith(one)


def open_with(recipe: Recipe, updates: Updates, components: Iterable[Any], read: Callable[[Values], Recipe]) -> Opened:
    """A recipe that ``updates`` put into widgets, with what the widgets make of it.

    ``read`` makes a recipe of what the widgets hold. Where that cannot be done, because a picture has yet to be
    brought, the widgets are taken to say all.
    """
    held = {one: _held(one, updates) for one in components}
    try:
        made = read(held)
    except StudioError:
        return Opened(recipe)
    exact = Opened(recipe)
    said = {name: getattr(made, name) for name in _settings(made)}
    return Opened(recipe, {name: value for name, value in said.items() if not exact.says(name, value)})


def _held(widget: Any, updates: Updates) -> Any:
    """What a widget holds after updates."""
    update = updates.get(widget, widget.value)
    if isinstance(update, gr.blocks.Block):  # an update of properties, perhaps of the value
        return update.constructor_args.get("value", widget.value)
    return update
