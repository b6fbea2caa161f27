"""Which models an attack is made with, which it is tested on, and what happens to the file on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.records.params import Wish
from app.ui.markup import gallery, markup
from app.ui.widgets.forms import FormError
from app.ui.widgets.models import PUBLISHED, usable
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.catalogue.entry import ModelInfo
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.record import Record
from generator.classes.labels import LABEL_LISTS
from generator.victims.survival import SAVED, SURVIVALS

Values = Mapping[Any, Any]
"""Component -> what it holds."""

LISTS: Mapping[str, str] = {
    "cifar10": "the ten classes of CIFAR-10",
    "tiny-clip": "what the CLIP model that came with the program knows",
    "imagenet": "the thousand classes of ImageNet",
}
"""What the built-in lists of labels are called."""
SURVIVING = "jpeg:50-95 or resize:0.5-1 or blur:0-1.5 or identity"
"""The views through which an attack learns to survive what happens to files (EOT, arXiv 1707.07397)."""


FIRST_WISH = Wish()
"""What is to be found out before anybody chose."""


class _ExploredBefore(Record):
    """What another attack found out, as far as it can be put into widgets: whatever it lacks was not asked for."""

    victims: tuple[str, ...] = ()
    labels: str = ""
    captions: tuple[str, ...] = ()
    survivals: tuple[str, ...] = ()


class Surrogates:
    """A menu of the models to attack, classifiers and CLIP models.

    Args:
        studio: what the page works with.
        value: the model chosen at first.
    """

    def __init__(self, studio: Studio, value: str) -> None:
        self.studio, self.value = studio, value

    def build(self) -> None:
        """Create the menu and its line."""
        with gr.Column(elem_classes="cx-group"):
            self.choice = gr.Dropdown(
                choices(self.studio),
                value=[self.value],
                multiselect=True,
                allow_custom_value=True,
                label="Models to attack",
                info=PUBLISHED,
                elem_id="attack-model",
            )
            self.line = gr.HTML(self._line([self.value]), apply_default_css=False)

    @property
    def outputs(self) -> list[Any]:
        """What ``describe`` and ``refresh`` change."""
        return [self.choice, self.line]

    def describe(self, names: Sequence[str] | None) -> Updates:
        """Update the line under the menu."""
        return {self.line: self._line(names or [])}

    def refresh(self) -> Updates:
        """Ask again which models there are."""
        return {self.choice: gr.Dropdown(choices=choices(self.studio)), **self.describe([self.value])}

    def read(self, values: Values) -> tuple[str, ...]:
        """The chosen models, of which there is at least one. FormError if there is none, or one cannot be used."""
        names = tuple(values[self.choice] or ())
        if not names:
            raise FormError("Choose at least one model to attack.")
        for name in names:
            check(self.studio, name)
        return names

    def _line(self, names: Sequence[str]) -> str:
        try:
            found = [find(self.studio, name) for name in names]
        except StudioError as error:
            return markup.notice(str(error), tone="warn")
        if len(names) == 1:
            info = self.studio.encoders()
            encoder = next((one for one in info if one.name == names[0]), None)
            return gallery.encoder_line(encoder, info) if encoder else gallery.model_line(found[0])
        words = "They are attacked together: one picture for all of them." if names else "Choose at least one."
        return f'<p class="cx-hint">{markup.text(words)}</p>'


class Testing:
    """Who else looks at the picture, what CLIP models may answer, and what happens to the file.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build(self) -> None:
        """Create the widgets."""
        self.victims = gr.Dropdown(
            choices(self.studio),
            value=self._ready(),
            multiselect=True,
            allow_custom_value=True,
            label="Test on",
            info=f"Models that look on. Those attacked are always tested, too. {PUBLISHED}",
            elem_id="attack-victims",
        )
        self.labels = gr.Dropdown(
            [(LISTS.get(name, name), name) for name in LABEL_LISTS],
            value=next(iter(LABEL_LISTS)),
            filterable=False,
            label="CLIP models choose from",
            elem_id="attack-labels",
        )
        self.captions = gr.Textbox(
            label="Or from captions of your own",
            info="One on each line, at least two.",
            lines=2,
            max_lines=8,
            elem_id="attack-choices",
        )
        self.survivals = gr.CheckboxGroup(
            [(survival.description.rstrip("."), name) for name, survival in SURVIVALS.items() if name != SAVED],
            value=[name for name, survival in SURVIVALS.items() if survival.usual],
            label="What happens to the file",
            info="The saved file is looked at again after each of these.",
            elem_classes="cx-lines",
            elem_id="attack-survivals",
        )
        self.through = gr.Checkbox(
            label="Optimise through it",
            info="Attack the picture as it is after JPEG, resizing or blur, so that it survives them. Needs more "
            "steps; it is added to the views of the recipe.",
            elem_id="attack-through",
        )

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.victims, self.labels, self.captions, self.survivals, self.through]

    @property
    def outputs(self) -> list[Any]:
        """What ``refresh`` changes."""
        return [self.victims]

    def refresh(self) -> Updates:
        """Ask again which models there are, and choose those that are ready."""
        return {self.victims: gr.Dropdown(choices=choices(self.studio), value=self._ready())}

    def read(self, values: Values, *, label: str = "") -> Wish:
        """What is to be found out, and what the photo shows. StudioError for what cannot be used."""
        victims = list(values[self.victims] or ())
        for name in victims:
            check(self.studio, name)
        lines = [line.strip() for line in str(values[self.captions] or "").splitlines() if line.strip()]
        captions = list(dict.fromkeys(lines))
        if len(captions) == 1:
            raise FormError("Give at least two captions to choose from, each on a line of its own, or none.")
        wish = {
            "victims": victims,
            "labels": values[self.labels],
            "captions": captions,
            "survivals": tuple(values[self.survivals] or ()),
            "label": label,
        }
        return validated(Wish, wish)

    def updates(self, explore: object) -> Updates:
        """Updates that put what was found out about another attack into the widgets, as far as it is here."""
        before = _ExploredBefore.read(explore, "attack")
        models = {name for _, name in choices(self.studio)}
        return {
            self.victims: [name for name in before.victims if name in models],
            **({self.labels: before.labels} if before.labels in LABEL_LISTS else {}),
            self.captions: "\n".join(before.captions),
            self.survivals: [name for name in before.survivals if name in SURVIVALS and name != SAVED],
        }

    def views(self, values: Values, views: str) -> str:
        """The views of a recipe, and after them those that make it survive, if that is wanted."""
        return f"{views} | {SURVIVING}" if values[self.through] else views

    def _ready(self) -> list[str]:
        return [info.name for info in (*self.studio.classifiers(), *self.studio.encoders()) if info.ready]


def choices(studio: Studio) -> list[tuple[str, str]]:
    """All models as a menu shows them, classifiers first."""
    classifiers = [
        (info.title if info.ready else f"{info.title} (not ready)", info.name) for info in studio.classifiers()
    ]
    return classifiers + [(gallery.encoder_title(info), info.name) for info in studio.encoders()]


def find(studio: Studio, name: str) -> ModelInfo | None:
    """What is known of a listed or published model. StudioError may say why there is none."""
    return next((info for info in studio.encoders() if info.name == name), None) or studio.classifier(name)


def is_encoder(studio: Studio, name: str) -> bool:
    """Whether a model reads texts."""
    return any(info.name == name for info in studio.encoders())


def check(studio: Studio, name: str) -> None:
    """Refuse a model that is neither there nor to be had. StudioError says why."""
    usable(find(studio, name), name)
