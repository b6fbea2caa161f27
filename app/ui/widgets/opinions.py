"""What classifiers see in a finished picture: asked when somebody wants to know, because it takes a moment."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.records.pictures import pictures_of
from app.ui.markup import markup, results
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from foundation.jobs.store.model import JobSnapshot

MOST_CLASSES = 12
"""So many are named; of more, there is more to read than to see."""

FindPicture = Callable[[str, int, Any], Path]
"""(job's id, index of the picture, owner's state) -> its file."""


class OpinionView:
    """A button and what came of it.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._one_at_a_time = threading.Lock()

    def build(self) -> None:
        """Create the components; they are not there before there is a picture."""
        with gr.Column(visible=False, elem_id="text-opinions", elem_classes=["cx-layers", "cx-below"]) as self.area:
            self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
            with gr.Row(elem_classes="cx-actions"):
                self.ask = gr.Button("Ask the classifiers what they see", size="md", elem_id="text-ask")
            self.view = gr.HTML("", apply_default_css=False)

    @property
    def outputs(self) -> list[Any]:
        """What following a job changes."""
        return [self.area, self.ask, self.view]

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """Offer to ask about a finished job's pictures."""
        kept = snapshot is not None and pictures_of(snapshot)
        anyone = any(info.ready for info in self.studio.classifiers())
        return {self.area: gr.Column(visible=bool(kept) and anyone), **self.reset()}

    def reset(self) -> Updates:
        """Forget what was said: another picture is shown."""
        return {self.ask: gr.Button(visible=True), self.view: ""}

    def _classes_they_know(self, names: Sequence[str]) -> str:
        """What the models choose from, in a sentence for those with the same classes: they always name one of them."""
        titles, by_classes = self.studio.titles(), dict[tuple[str, ...], list[str]]()
        for name in names:
            by_classes.setdefault(self.studio.class_names(name), []).append(titles.get(name, name))
        return "".join(
            f'<p class="cx-hint">{markup.text(choice_sentence(models, classes))}</p>'
            for classes, models in by_classes.items()
            if classes
        )

    def wire(self, inputs: list[Any], find: FindPicture) -> None:
        """Connect the button; ``inputs`` hold what ``find`` takes."""

        def ask(job_id: str, index: int, owner: Any) -> Updates:
            picture = find(job_id, index, owner)
            with self._one_at_a_time:
                said = self.studio.measurements.opinions(picture)
            seen = results.seen(said, self.studio.titles())
            seen = seen and self._classes_they_know(list(said)) + seen
            shown = seen or markup.notice("None of the classifiers can be asked.", tone="warn")
            return {self.ask: gr.Button(visible=False), self.view: shown}

        self.ask.click(
            guarded(self.notice)(ask),
            inputs,
            [self.notice, self.ask, self.view],
            **{**QUICK, "show_progress": "minimal", "show_progress_on": [self.ask]},
        )


def choice_sentence(models: Sequence[str], classes: Sequence[str]) -> str:
    """Which classes models know, and that they name one of these whatever a picture shows."""
    who = f"{', '.join(models)} {'knows' if len(models) == 1 else 'know'}"
    shown = ", ".join(classes[:MOST_CLASSES]) + (", ..." if len(classes) > MOST_CLASSES else "")
    one = "name one of them" if len(models) > 1 else "names one of them"
    return f"{who} {len(classes):,} classes and no other ({shown}), and {one} whatever the picture shows."
