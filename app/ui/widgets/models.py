"""The menu of models, with a line on what the chosen one is and whether it is ready."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.ui.markup import gallery, markup
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError

PUBLISHED = (
    "Or type the name of a published one and press Enter: torchvision:resnet50, timm:convnext_tiny, robustbench:NAME."
)


def usable(info: ModelInfo | None, name: str) -> ModelInfo:
    """The model called ``name``, listed or published, unless it is neither there nor to be had.

    Raises:
        FormError: there is none of that name (``info`` is None), or it is not ready; the message says why.
    """
    if info is None:
        raise FormError(
            f"There is no model '{name[:80]}' in the list. Choose one of it, or type the name of a published one, such "
            "as torchvision:resnet50."
        )
    if not info.ready and not gallery.needs_download(info):
        raise FormError(f"{info.title} is not ready. {info.why_not}")
    return info


class ModelPicker:
    """A menu for one model, and one for more models to use together with it.

    Args:
        studio: what the page works with.
        value: the model chosen at first.
        elem_id: of the menu on the page.
        label: over the menu.
    """

    typed = False
    """Whether a name can be typed, of a model that is not in the menu."""

    def __init__(self, studio: Studio, value: str, elem_id: str, label: str = "Model") -> None:
        self.studio = studio
        self.value = value
        self.elem_id = elem_id
        self.label = label

    def build(self) -> None:
        """Create the menu and its line."""
        with gr.Column(elem_classes="cx-group"):
            self.choice = gr.Dropdown(
                self._choices(),
                value=self.value,
                label=self.label,
                elem_id=self.elem_id,
                filterable=self.typed,
                allow_custom_value=self.typed,
                info=PUBLISHED if self.typed else None,
            )
            self.line = gr.HTML(self._line(self.value), apply_default_css=False)

    def build_others(self, value: Sequence[str] = ()) -> None:
        """Create the menu of further models (it stands in the advanced part), with those chosen at first."""
        self.others = gr.Dropdown(
            self._choices(),
            value=list(value),
            multiselect=True,
            label="Together with",
            info="More models whose opinion counts, equally unless Model weights say otherwise.",
        )

    @property
    def outputs(self) -> list[Any]:
        """What ``describe`` and ``refresh`` change."""
        return [self.choice, self.line]

    def describe(self, model: str) -> Updates:
        """Update the line under the menu."""
        return {self.line: self._line(model)}

    def refresh(self, model: str) -> Updates:
        """Ask again which models there are."""
        return {self.choice: gr.Dropdown(choices=self._choices()), **self.describe(model)}

    def check(self, model: str) -> None:
        """Refuse a model that is not there.

        Raises:
            FormError: it is unknown or not ready; the message says why.
        """
        info = self._find(model)
        if info is None:
            raise FormError("This model is not in the list. Choose another.")
        if not info.ready:
            raise FormError(f"{info.title} is not ready. {info.why_not}")

    def _infos(self) -> Sequence[ModelInfo]:
        return self.studio.classifiers()

    def _line(self, model: str) -> str:
        return gallery.model_line(self._find(model))

    def _find(self, model: str) -> ModelInfo | None:
        return next((info for info in self._infos() if info.name == model), None)

    def _choices(self) -> list[tuple[str, str]]:
        return [(info.title if info.ready else f"{info.title} (not ready)", info.name) for info in self._infos()]


class ClassifierPicker(ModelPicker):
    """The same for models that know classes, where the name of a published one can be typed, too."""

    typed = True

    def check(self, model: str | None) -> None:
        """Refuse a model that is neither there nor to be had. StudioError says why."""
        self.checked(model)

    def checked(self, model: str | None) -> ModelInfo:
        """What is known of a model that is there, or to be had. StudioError says why it is not."""
        if not model:
            raise FormError("Choose the model, or type the name of a published one.")
        return usable(self.studio.classifier(model), model)

    def _line(self, model: str | None) -> str:
        try:
            return gallery.model_line(self.checked(model))
        except StudioError as error:
            return markup.notice(str(error), tone="warn")


class EncoderPicker(ModelPicker):
    """The same for models that read prompts, which may have to be downloaded first."""

    def refresh(self, model: str) -> Updates:
        """Ask again which models there are."""
        return {**super().refresh(model), self.others: gr.Dropdown(choices=self._choices())}

    @property
    def outputs(self) -> list[Any]:
        """What ``describe`` and ``refresh`` change."""
        return [*super().outputs, self.others]

    def check(self, model: str) -> None:
        """Refuse a model that is neither there nor to be had.

        Raises:
            FormError: it is unknown or damaged; the message says why.
        """
        info = self.find(model)
        if info is None or info.ready or info.origin != "download":
            super().check(model)

    def find(self, model: str) -> ModelInfo | None:
        """The list's entry of a model."""
        return next((info for info in self._infos() if info.name == model), None)

    def _infos(self) -> Sequence[ModelInfo]:
        return self.studio.encoders()

    def _line(self, model: str) -> str:
        return gallery.encoder_line(self.find(model), self._infos())

    def _choices(self) -> list[tuple[str, str]]:
        return [(gallery.encoder_title(info), info.name) for info in self._infos()]
