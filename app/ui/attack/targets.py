"""What the models should see in an attacked picture: classes for classifiers; texts and pictures for CLIP models."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.ui.attack.models import is_encoder
from app.ui.widgets.class_choice import ClassChoice, Wish, are_differing, by_number, offered, own_name, refuse_unknown
from app.ui.widgets.forms import FormError, label_of, number
from app.ui.widgets.picture_input import PictureInput, put_picture
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from generator.objectives.classes import AWAY, TOWARDS, leads_away
from generator.recipes.fields import cli_fields
from generator.recipes.recipe import Recipe

Values = Mapping[Any, Any]
"""Component -> what it holds."""

TASK = "attack"
LEAVE, TARGET = "leave", "target"
TEXT, PICTURE, CAPTION = "text", "picture", "caption"
AIMS = [("what I describe", TEXT), ("another picture", PICTURE), ("not its own caption", CAPTION)]


def help_of(name: str) -> str:
    """What a field of the recipe is for."""
    return next(field.help for field in cli_fields(TASK) if field.name == name)


class ClassTargets:
    """What classifiers should see: anything else, or a class.

    Args:
        studio: what the page works with.
        model: attacked at first.
    """

    def __init__(self, studio: Studio, model: str) -> None:
        self.studio = studio
        names = studio.class_names(model)
        first = next(iter(names), None)
        self.choice = ClassChoice(names, first, chips_id="attack-chips", menu_id="attack-target")

    def build(self) -> None:
        """Create the widgets."""
        with gr.Column(elem_classes="cx-group") as self.area:
            self.goal = gr.Radio(
                [("anything but what it is", LEAVE), ("a class I choose", TARGET)],
                value=LEAVE,
                label="Make the classifiers see",
                elem_classes="cx-chips",
                elem_id="attack-goal",
            )
            with gr.Column(visible=False, elem_classes="cx-group") as self.target_area:
                self.choice.build()
            self.weight = weight_input("class_weight", 1.0, visible=False)

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.goal, *self.choice.components, self.weight]

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` and ``aim`` change."""
        return list(dict.fromkeys([self.area, self.target_area, *self.components, *self.choice.outputs]))

    def follow(
        self, models: Sequence[str], chip: str | None = None, menu: str | None = None, wish: Wish | None = None
    ) -> Updates:
        """Updates for models that were just chosen; the class that was chosen before stays, where they know it."""
        classifiers = self._classifiers(models)
        differing = are_differing(self.studio, classifiers)
        return {
            **self._shown(models),
            **self.choice.follow(offered(self.studio, classifiers), chip, menu, wish or Wish(), differing=differing),
        }

    def fill(self, recipe: Recipe) -> Updates:
        """Updates that put a recipe into the widgets; of a mixture, its first class."""
        classifiers = self._classifiers(recipe.models)
        names, differing = offered(self.studio, classifiers), are_differing(self.studio, classifiers)
        towards = not recipe.leads_away and bool(recipe.classes)
        chosen = by_number(recipe.classes[0], names) if towards else ""
        if own_name(names, chosen):
            found = self.choice.choose(names, chosen, differing=differing)
        else:
            found = self.choice.follow(names, chosen, "", Wish(), differing=differing)
        return {
            **self._shown(recipe.models),
            **self.aim(TARGET if towards else LEAVE),
            **found,
            self.weight: gr.Number(value=recipe.class_weight, visible=self._mixed(recipe.models)),
        }

    def _shown(self, models: Sequence[str]) -> Updates:
        return {
            self.area: gr.Column(visible=bool(self._classifiers(models))),
            self.weight: gr.Number(visible=self._mixed(models)),
        }

    def _classifiers(self, models: Sequence[str]) -> list[str]:
        return [name for name in models if self.studio.class_names(name)]

    def _mixed(self, models: Sequence[str]) -> bool:
        return 0 < len(self._classifiers(models)) < len(models)

    def aim(self, goal: str) -> Updates:
        """Updates for a goal."""
        return {self.goal: goal, self.target_area: gr.Column(visible=goal == TARGET)}

    def read(self, values: Values, models: Sequence[str], objective: str) -> dict[str, object]:
        """The recipe's fields about classes. FormError if the class is missing."""
        classifiers = self._classifiers(models)
        if not classifiers:
            return {"classes": (), "objective": objective}
        mixed = (
            {"class_weight": weight_of(values[self.weight], "class_weight")} if len(classifiers) < len(models) else {}
        )
        if values[self.goal] == LEAVE:
            return {"classes": (), **mixed, "objective": objective if leads_away(objective) else AWAY}
        target = self.choice.read(offered(self.studio, classifiers), *(values[one] for one in self.choice.components))
        refuse_unknown(self.studio, classifiers, [target])
        return {"classes": (target,), **mixed, "objective": TOWARDS if leads_away(objective) else objective}


class TextTargets:
    """What CLIP models should see: a text, another picture, anything but the photo's own caption; or several of these.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.picture = PictureInput(studio, "attack-aim", empty="None yet.", button="Bring the other picture")

    def build(self) -> None:
        """Create the widgets; they are there while a CLIP model is among those attacked."""
        with gr.Column(visible=False, elem_classes="cx-group") as self.area:
            self.aims = gr.CheckboxGroup(
                AIMS, value=[TEXT], label="Make the CLIP models see", elem_classes="cx-chips", elem_id="attack-aims"
            )
            with gr.Column(elem_classes="cx-group") as self.text_area:
                self.prompt = gr.Textbox(
                    label="Text",
                    placeholder="a photo of a ship",
                    info="Several with weights: a ship:2 | the sea:1",
                    lines=1,
                    max_lines=3,
                    elem_id="attack-prompt",
                )
                self.negative = gr.Textbox(
                    label="Away from", placeholder="a photo of a frog", lines=1, max_lines=3, elem_id="attack-negative"
                )
            with gr.Column(visible=False, elem_classes="cx-group") as self.picture_area:
                self.picture.build()
                self.target_weight = weight_input("target_weight", 1.0)
            with gr.Column(visible=False, elem_classes="cx-group") as self.caption_area:
                self.captions = gr.Textbox(
                    label="Captions",
                    info="One on each line, one of which tells what the photo shows.",
                    lines=2,
                    max_lines=6,
                    elem_id="attack-captions",
                )
                self.caption_weight = weight_input("caption_weight", 1.0)

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        own = [self.aims, self.prompt, self.negative, self.picture.name, self.captions]
        return [*own, self.target_weight, self.caption_weight]

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` and ``fill`` change."""
        areas = [self.area, self.text_area, self.picture_area, self.caption_area]
        return list(dict.fromkeys([*areas, *self.components, *self.picture.outputs]))

    def follow(self, models: Sequence[str]) -> Updates:
        """Updates for models that were just chosen."""
        return {self.area: gr.Column(visible=any(is_encoder(self.studio, name) for name in models))}

    def fill(self, recipe: Recipe, owner: str) -> tuple[Updates, list[str]]:
        """Updates that put a recipe into the widgets, and the pictures of it that this visitor has not brought."""
        aimed = {TEXT: bool(recipe.prompt or recipe.negative), PICTURE: bool(recipe.target)}
        aims = [name for name, wanted in (aimed | {CAPTION: bool(recipe.captions)}).items() if wanted]
        updates, missing = put_picture(self.picture, recipe.target, owner, "the picture that it should see")
        return {
            **self.follow(recipe.models),
            **updates,
            **self.shown(aims),
            self.aims: aims or [TEXT],
            self.prompt: recipe.prompt,
            self.negative: recipe.negative,
            self.captions: "\n".join(part.strip() for part in recipe.captions.split("|") if part.strip()),
            self.target_weight: recipe.target_weight,
            self.caption_weight: recipe.caption_weight,
        }, missing

    def shown(self, aims: Sequence[str]) -> Updates:
        """Updates that show what these aims ask for."""
        return {
            self.text_area: gr.Column(visible=TEXT in aims),
            self.picture_area: gr.Column(visible=PICTURE in aims),
            self.caption_area: gr.Column(visible=CAPTION in aims),
        }

    def wire(self, owner: gr.BrowserState) -> None:
        """Connect the events; ``owner`` is the browser's state that holds the owner's token."""
        self.picture.wire(owner)

        def choose(aims: list[str] | None) -> Updates:
            return self.shown(aims or [])

        areas = [self.picture.notice, self.text_area, self.picture_area, self.caption_area]
        self.aims.input(guarded(self.picture.notice)(choose), [self.aims], areas, **QUICK)

    def read(self, values: Values, models: Sequence[str]) -> tuple[dict[str, object], dict[str, str]]:
        """The recipe's fields, and the digests of pictures by what they are there for. FormError as a sentence."""
        if not any(is_encoder(self.studio, name) for name in models):
            return {}, {}
        aims = values[self.aims] or ()
        fields: dict[str, object] = {}
        pictures: dict[str, str] = {}
        if TEXT in aims:
            fields |= {name: str(values[box] or "").strip() for name, box in self._texts()}
            if not any(fields.values()):
                raise FormError("Say in Text what the CLIP models should see, or in Away from what not.")
        if PICTURE in aims:
            chosen: Kept | None = values[self.picture.name]
            if self.picture.path(chosen) is None or chosen is None:
                raise FormError("Bring the picture that the CLIP models should see.")
            pictures["target"] = chosen.digest
            fields |= {"target": chosen.digest, "target_weight": weight_of(values[self.target_weight], "target_weight")}
        if CAPTION in aims:
            lines = [line.strip() for line in str(values[self.captions] or "").splitlines() if line.strip()]
            if not lines:
                raise FormError("Give captions, each on a line of its own: one of them tells what the photo shows.")
            weight = weight_of(values[self.caption_weight], "caption_weight")
            fields |= {"captions": " | ".join(lines), "caption_weight": weight}
        if not fields:
            raise FormError("Choose what the CLIP models should see: a text, another picture, or not its own caption.")
        return fields, pictures

    def _texts(self) -> tuple[tuple[str, Any], ...]:
        return ("prompt", self.prompt), ("negative", self.negative)


def weight_input(name: str, value: float, *, visible: bool = True) -> Any:
    """A number for the weight of something."""
    return gr.Number(
        value,
        label=label_of(name),
        info=help_of(name),
        step=0.1,
        visible=visible,
        elem_id=f"attack-{name.replace('_', '-')}",
    )


def weight_of(value: Any, name: str) -> float:
    """What a number widget for a weight holds; its range is for the recipe to judge. FormError if it is none."""
    return number(value, label_of(name), "a number, for example 1")
