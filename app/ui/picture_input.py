"""A picture that a visitor brings: a button, what was chosen, and what is wrong with it in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui import markup
from app.ui.forms import FormError
from app.ui.guard import QUICK, Updates, guarded
from app.ui.services import Studio
from app.ui.uploads import keep_upload

Follower = Callable[[str], Updates]
"""Told the name of what was chosen ("" for nothing)."""


class PictureInput:
    """Lets a visitor choose a picture, which is kept among the uploads under a name of our own.

    Args:
        studio: what the page works with.
        prefix: of the ids on the page.
        empty: what stands there while nothing is chosen.
        button: text of the button.
        removable: whether the choice can be taken back.
    """

    def __init__(
        self, studio: Studio, prefix: str, *, empty: str, button: str = "Bring a picture", removable: bool = True
    ) -> None:
        self.studio = studio
        self._prefix, self._empty, self._button, self._removable = prefix, empty, button, removable
        self._others: list[tuple[list[Any], Follower]] = []

    def build(self, between: Callable[[], None] = lambda: None, beside: Callable[[], None] = lambda: None) -> None:
        """Create the widgets; ``between`` creates what stands above the buttons, ``beside`` further buttons."""
        self.chosen = gr.HTML(chosen_markup(self._empty), elem_id=f"{self._prefix}-chosen", apply_default_css=False)
        self.name = gr.State("")
        between()
        with gr.Row(elem_classes="cx-actions"):
            self.upload = gr.UploadButton(self._button, size="md", elem_id=f"{self._prefix}-upload")
            self.remove = gr.Button("Remove", size="md", visible=False, elem_id=f"{self._prefix}-remove")
            beside()
        self.notice = gr.HTML(
            "", elem_id=f"{self._prefix}-picture-notice", elem_classes="cx-notice-area", apply_default_css=False
        )

    @property
    def outputs(self) -> list[Any]:
        """What choosing or removing a picture changes."""
        own = [self.notice, self.chosen, self.name, self.remove]
        return own + [component for outputs, _ in self._others for component in outputs]

    def also(self, outputs: list[Any], follower: Follower) -> None:
        """Let something else on the page follow the choice."""
        self._others.append((outputs, follower))

    def wire(self) -> None:
        """Connect the buttons."""
        guard = guarded(self.notice)

        def bring(path: str | None) -> Updates:
            return self.take(Path(path)) if path else {}

        self.upload.upload(guard(bring), [self.upload], self.outputs, **QUICK)
        self.remove.click(guard(self.clear), None, self.outputs, **QUICK)

    def take(self, path: Path) -> Updates:
        """Choose a picture by its file. ImageError if it cannot be read."""
        kept, picture = keep_upload(path, self.studio.uploads)
        words = f"{picture.width} x {picture.height} pixels"
        return self._show(kept.name, chosen_markup(words, self.studio.media.url(kept)))

    def clear(self) -> Updates:
        """Choose nothing."""
        return self._show("", chosen_markup(self._empty))

    def _show(self, name: str, shown: str) -> Updates:
        followed = {key: value for _, follower in self._others for key, value in follower(name).items()}
        visible = bool(name) and self._removable
        return {
            self.notice: "",
            self.chosen: shown,
            self.name: name,
            self.remove: gr.Button(visible=visible),
            **followed,
        }

    def path(self, name: str) -> Path | None:
        """The file of what is chosen, None for nothing. FormError if it is no longer there."""
        if not name:
            return None
        path = self.studio.uploads / Path(name).name
        if not path.is_file():
            raise FormError("A picture that was chosen is no longer here: bring it again.")
        return path


def chosen_markup(words: str, url: str = "") -> str:
    """The chosen picture and words about it, or, without an address, the words that there is none."""
    if not url:
        return f'<p class="cx-hint">{markup.text(words)}</p>'
    return (
        f'<div class="cx-chosen"><img src="{markup.text(url)}" alt="Chosen picture"><p>{markup.text(words)}</p></div>'
    )
