"""The spectrum of a finished picture, beside that of a photo that a visitor brings."""

from pathlib import Path
from typing import Any

import gradio as gr

from app.jobs.model import JobSnapshot
from app.ui.guard import Updates, guarded
from app.ui.picture_input import PictureInput
from app.ui.services import Studio
from app.ui.signal import Signal
from app.ui.spectrum_chart import spectrum_chart
from app.uploads import Kept
from generator.recipe import Recipe

INTRODUCTION = (
    "<div><h3>Spectrum</h3><p>How strongly each layer varies, on logarithmic axes. Natural pictures lie near a "
    "falling line; a photo of yours, taken apart into the same layers, is drawn beside it.</p></div>"
)


class SpectrumView:
    """A chart, and a button for the photo.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.photo = PictureInput(studio, "text-photo", empty="", button="Compare with a photo")
        self._changed = Signal()

    def build(self) -> None:
        """Create the components; they are not there before there is a picture."""
        with gr.Column(visible=False, elem_id="text-spectrum", elem_classes=["cx-layers", "cx-below"]) as self.area:
            gr.HTML(INTRODUCTION, apply_default_css=False)
            self.chart = gr.HTML("", apply_default_css=False)
            self.photo.build()
        # The recipe and the spectrum of the picture that is shown.
        self.state = gr.State(None)
        self._changed.build()
        self.photo.also([self._changed.sign], lambda chosen: self._changed.send(f"photo {chosen and chosen.digest}"))

    @property
    def outputs(self) -> list[Any]:
        """What following a job changes."""
        return [self.area, self.state, self._changed.sign]

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """Show the spectrum of the first picture of a finished job, or nothing."""
        return self.show(snapshot, 0)

    def show(self, snapshot: JobSnapshot | None, index: int) -> Updates:
        """Show the spectrum of one picture (from 0) of a finished job, or nothing."""
        result = (snapshot.result or {}) if snapshot is not None else {}
        images = result.get("images", [])
        spectrum = images[index].get("spectrum") if 0 <= index < len(images) else None
        if not spectrum:
            return {self.area: gr.Column(visible=False), self.state: None}
        return {
            self.area: gr.Column(visible=True),
            self.state: {"recipe": result["recipe"], "spectrum": spectrum},
            **self._changed.send(f"{snapshot.id if snapshot else ''} {index}"),
        }

    def wire(self, owner: gr.BrowserState) -> None:
        """Draw the chart anew whenever the picture or the photo changes; ``owner`` holds the owner's token."""
        self.photo.wire(owner)

        def draw(state: dict[str, Any] | None, chosen: Kept | None) -> Updates:
            if not state:
                return {self.chart: ""}
            spectra = {"this picture": state["spectrum"]}
            own = {self.chart: spectrum_chart(spectra)}
            path = self.photo.path(chosen)
            return own if path is None else self._beside(spectra, state["recipe"], path)

        shown = [self.photo.notice, self.chart]
        self._changed.connect(guarded(self.photo.notice)(draw), [self.state, self.photo.name], shown)

    def _beside(self, spectra: dict[str, Any], recipe: dict[str, Any], path: Path) -> Updates:
        of_photo = self.studio.measurements.photo_spectrum(Recipe.model_validate(recipe), path)
        return {self.chart: spectrum_chart({**spectra, "your photo": of_photo})}
