"""The photo that an attack starts from: an example, one that somebody brings, or the last picture that they made."""

from pathlib import Path
from typing import Any

import gradio as gr

from app.records.pictures import pictures_of
from app.ui.markup import markup
from app.ui.markup.gallery import CLICK_JS
from app.ui.widgets.forms import FormError
from app.ui.widgets.picture_input import PictureInput
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.visitors.upload_files import list_examples
from foundation.jobs.store.model import JobStatus


class PhotoInput(PictureInput):
    """The input of a picture, with examples above its buttons, and a button that takes the last picture made.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        empty = "None yet. Choose an example or bring one of any size."
        super().__init__(studio, "attack", empty=empty, removable=False)

    def offered(self) -> list[Path]:
        """The pictures to choose from: real photos first."""
        photos = list_examples(self.studio.photos) if self.studio.photos is not None else []
        return photos + list_examples(self.studio.examples)

    def first_offered(self) -> Path | None:
        """The picture that is taken where nobody chooses one, if there are any."""
        return next(iter(self.offered()), None)

    def _build_offers(self) -> None:
        self.examples = gr.HTML(self._examples(), apply_default_css=False, js_on_load=CLICK_JS)

    def _build_buttons(self) -> None:
        self.last = gr.Button("Use my last picture", size="md", elem_id="attack-last")

    def _examples(self) -> str:
        buttons = "".join(
            f'<button data-pick="{markup.text(path.name)}" aria-label="Example: {markup.text(path.stem)}">'
            f'<img src="{self.studio.media.url(path)}" alt=""></button>'
            for path in self.offered()
        )
        return f'<div class="cx-examples" id="attack-examples">{buttons}</div>' if buttons else ""

    def wire(self, owner: gr.BrowserState) -> None:
        """Connect the buttons; ``owner`` is the browser's state that holds the owner's token."""
        guard = guarded(self.notice)

        def example(state: Any, event: gr.EventData) -> Updates:
            known = {path.name: path for path in self.offered()}
            if event.pick not in known:
                raise FormError("This example is gone. Choose another.")
            return self.take(known[event.pick], owner_token(state))

        def last(state: Any) -> Updates:
            token = owner_token(state)
            return self.take(self._last_picture(token), token)

        super().wire(owner)
        self.examples.select(guard(example), [owner], self.outputs, **QUICK)
        self.last.click(guard(last), [owner], self.outputs, **QUICK)

    def _last_picture(self, owner: str) -> Path:
        for job in self.studio.jobs.list(owner):
            kept = job.kind in ("text", "image") and job.status in (JobStatus.DONE, JobStatus.STOPPED)
            images = pictures_of(job) if kept else ()
            if images:
                return Path(job.folder) / images[0].file
        raise FormError("You have made no picture yet. Make one in another tab, or bring one of your own.")
