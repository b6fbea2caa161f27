"""The spectrum of a finished picture, beside that of a photo that a visitor brings."""

from pathlib import Path
from typing import Any

import gradio as gr

from app.records.pictures import pictures_of
from app.ui.markup.spectrum_chart import spectrum_chart
from app.ui.widgets.picture_input import PictureInput
from app.ui.wiring.guard import Updates, guarded
from app.ui.wiring.services import Studio
from app.ui.wiring.signal import Signal
from app.visitors.uploads import Kept
from foundation.jobs.store.model import JobSnapshot

INTRODUCTION = (
    "<div><h3>Spectrum</h3><p>How strong waves of each length are in the picture, on logarithmic axes. Natural "
    "pictures lie near a line of slope \u22122; a photo of yours is drawn beside it by the same rule.</p></div>"
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
        self.state = gr.State("")  # the file of the picture that is shown
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
        images = () if snapshot is None else pictures_of(snapshot)
        if snapshot is None or not 0 <= index < len(images):
            return {self.area: gr.Column(visible=False), self.state: ""}
        return {
            self.area: gr.Column(visible=True),
            self.state: str(Path(snapshot.folder) / images[index].file),
            **self._changed.send(f"{snapshot.id} {index}"),
        }

    def wire(self, owner: gr.BrowserState) -> None:
        """Draw the chart anew whenever the picture or the photo changes; ``owner`` holds the owner's token."""
        self.photo.wire(owner)

        def draw(picture: str, chosen: Kept | None) -> Updates:
            if not picture:
                return {self.chart: ""}
            shown = {"this picture": Path(picture), "your photo": self.photo.path(chosen)}
            spectrum = self.studio.measurements.spectrum
            return {self.chart: spectrum_chart({what: spectrum(path) for what, path in shown.items() if path})}

        shown = [self.photo.notice, self.chart]
        self._changed.connect(guarded(self.photo.notice)(draw), [self.state, self.photo.name], shown)
