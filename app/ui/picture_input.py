"""A picture that a visitor brings: a button, what was chosen, and what is wrong with it in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui import markup
from app.ui.guard import QUICK, Updates, guarded
from app.ui.panel import owner_token
from app.ui.services import Studio
from app.ui.uploads import brought
from app.uploads import Kept

Follower = Callable[[Kept | None], Updates]
"""Told what was chosen (None for nothing)."""


class PictureInput:
    """Lets a visitor choose a picture, which is kept among the visitor's uploads; `name` holds what is chosen.

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
        self.name = gr.State(None)
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

    def wire(self, owner: gr.BrowserState) -> None:
        """Connect the buttons; ``owner`` is the browser's state that holds the owner's token."""
        guard = guarded(self.notice)

        def bring(path: str | None, state: Any) -> Updates:
            if not path:
                return {}
            with brought(path) as file:
                return self.take(file, owner_token(state))

        self.upload.upload(guard(bring), [self.upload, owner], self.outputs, **QUICK)
        self.remove.click(guard(self.clear), None, self.outputs, **QUICK)

    def take(self, path: Path, owner: str) -> Updates:
        """Choose a picture by its file, for a visitor. StudioError if it cannot be read, or there is no room for it."""
        kept, size = self.studio.uploads.bring(path, owner)
        return self._choose(kept, size)

    def choose(self, kept: Kept) -> Updates:
        """Choose a picture that the visitor has brought before. StudioError if it is no longer here."""
        return self._choose(kept, self.studio.uploads.size(kept))

    def _choose(self, kept: Kept, size: tuple[int, int]) -> Updates:
        url = self.studio.media.url(self.studio.uploads.find(kept.digest, kept.owner))
        return self._show(kept, chosen_markup(f"{size[0]} x {size[1]} pixels", url))

    def clear(self) -> Updates:
        """Choose nothing."""
        return self._show(None, chosen_markup(self._empty))

    def clear_if_gone(self, chosen: Kept | None) -> Updates:
        """Choose nothing if what was chosen is no longer here, having gone with the job that needed it."""
        gone = chosen is not None and not self.studio.uploads.has(chosen.digest, chosen.owner)
        return self.clear() if gone else {}

    def _show(self, chosen: Kept | None, shown: str) -> Updates:
        followed = {key: value for _, follower in self._others for key, value in follower(chosen).items()}
        visible = chosen is not None and self._removable
        return {
            self.notice: "",
            self.chosen: shown,
            self.name: chosen,
            self.remove: gr.Button(visible=visible),
            **followed,
        }

    def path(self, chosen: Kept | None) -> Path | None:
        """The file of what is chosen, None for nothing. StudioError if it is no longer there."""
        return self.studio.uploads.find(chosen.digest, chosen.owner) if chosen else None


def chosen_markup(words: str, url: str = "") -> str:
    """The chosen picture and words about it, or, without an address, the words that there is none."""
    if not url:
        return f'<p class="cx-hint">{markup.text(words)}</p>'
    return (
        f'<div class="cx-chosen"><img src="{markup.text(url)}" alt="Chosen picture"><p>{markup.text(words)}</p></div>'
    )
