"""A picture that a visitor brings: a button, what was chosen, and what is wrong with it in words."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.ui.markup import markup
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.visitors.upload_files import brought
from app.visitors.uploads import Kept

ANOTHER = (
    "This is another picture than the one that was asked for: its pixels differ. Bring the original file, not a "
    "resized or re-compressed copy, to make the same again; or go on with this one, and something else will come out."
)

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
        self._others: list[tuple[list[Any], Follower, bool]] = []

    def build(self) -> None:
        """Create the widgets."""
        self.chosen = gr.HTML(chosen_markup(self._empty), elem_id=f"{self._prefix}-chosen", apply_default_css=False)
        self.name = gr.State(None)
        # The digest of a picture that a recipe was made with and that this visitor has yet to bring; "" for none.
        self.asked_for = gr.State("")
        self._build_offers()
        with gr.Row(elem_classes="cx-actions"):
            self.upload = gr.UploadButton(self._button, size="md", elem_id=f"{self._prefix}-upload")
            self.remove = gr.Button("Remove", size="md", visible=False, elem_id=f"{self._prefix}-remove")
            self._build_buttons()
        self.notice = gr.HTML(
            "", elem_id=f"{self._prefix}-picture-notice", elem_classes="cx-notice-area", apply_default_css=False
        )

    def _build_offers(self) -> None:
        """Create what stands above the buttons: nothing here."""

    def _build_buttons(self) -> None:
        """Create further buttons: none here."""

    @property
    def outputs(self) -> list[Any]:
        """What choosing or removing a picture changes."""
        own = [self.notice, self.chosen, self.name, self.remove, self.asked_for]
        return own + [component for outputs, _, _ in self._others for component in outputs]

    def also(self, outputs: list[Any], follower: Follower, *, about_another: bool = False) -> None:
        """Let something else on the page follow the choice.

        One that is ``about_another`` picture is not told of one that was asked for, since everything else on the page
        is about that one already.
        """
        self._others.append((outputs, follower, about_another))

    def wire(self, owner: gr.BrowserState) -> None:
        """Connect the buttons; ``owner`` is the browser's state that holds the owner's token."""
        guard = guarded(self.notice)

        def bring(path: str | None, state: Any, asked_for: str) -> Updates:
            if not path:
                return {}
            with brought(path) as file:
                return self.take(file, owner_token(state), asked_for)

        self.upload.upload(guard(bring), [self.upload, owner, self.asked_for], self.outputs, **QUICK)
        self.remove.click(guard(self.clear), None, self.outputs, **QUICK)

    def take(self, path: Path, owner: str, asked_for: str = "") -> Updates:
        """Choose a picture by its file, for a visitor; ``asked_for`` is the digest of the one that was asked for.

        StudioError if it cannot be read, or there is no room for it.
        """
        kept, size, notes = self.studio.uploads.bring(path, owner)
        updates = self._choose(kept, size, notes, asked_for=kept.digest == asked_for)
        if not asked_for or kept.digest == asked_for:
            return updates
        return {**updates, self.notice: markup.notice(ANOTHER, tone="warn"), self.asked_for: asked_for}

    def ask_for(self, digest: str, what: str) -> Updates:
        """Choose nothing, and ask for ``what`` is to be brought: the picture with this digest of its pixels."""
        asking = markup.notice(f"Bring {what}: the picture that was opened was made with it.", tone="warn")
        return {**self.clear(), self.asked_for: digest, self.notice: asking}

    def choose(self, kept: Kept) -> Updates:
        """Choose a picture that the visitor has brought before. StudioError if it is no longer here."""
        return self._choose(kept, self.studio.uploads.size(kept))

    def _choose(
        self, kept: Kept, size: tuple[int, int], notes: Sequence[str] = (), *, asked_for: bool = False
    ) -> Updates:
        url = self.studio.media.url(self.studio.uploads.find(kept.digest, kept.owner))
        words = f"{size[0]} x {size[1]} pixels{''.join(f'. {note}' for note in notes)}"
        return self._show(kept, chosen_markup(words, url, kept.digest), asked_for=asked_for)

    def take_smaller(self, chosen: Kept | None, side: int) -> Updates:
        """Choose what is chosen, scaled down so that its longer side has at most so many pixels."""
        path = self.path(chosen)
        if path is None or chosen is None:
            return {}
        picture = self.studio.uploads.read(path)
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return self._choose(self.studio.uploads.keep(picture, chosen.owner), picture.size)

    def clear(self) -> Updates:
        """Choose nothing."""
        return self._show(None, chosen_markup(self._empty))

    def clear_if_gone(self, chosen: Kept | None, gone: Collection[str]) -> Updates:
        """Choose nothing if what was chosen is among the digests of what goes, or is no longer here."""
        lost = chosen is not None and (
            chosen.digest in gone or not self.studio.uploads.has(chosen.digest, chosen.owner)
        )
        return self.clear() if lost else {}

    def _show(self, chosen: Kept | None, shown: str, *, asked_for: bool = False) -> Updates:
        told = [follower for _, follower, about_another in self._others if not (asked_for and about_another)]
        followed = {key: value for follower in told for key, value in follower(chosen).items()}
        visible = chosen is not None and self._removable
        return {
            self.notice: "",
            self.chosen: shown,
            self.name: chosen,
            self.remove: gr.Button(visible=visible),
            self.asked_for: "",
            **followed,
        }

    def path(self, chosen: Kept | None) -> Path | None:
        """The file of what is chosen, None for nothing. StudioError if it is no longer there."""
        return self.studio.uploads.find(chosen.digest, chosen.owner) if chosen else None


def put_picture(field: PictureInput, digest: str, owner: str, what: str) -> tuple[Updates, list[str]]:
    """Updates that choose a picture of a visitor's; ``what`` it is, in a list, if it is not among theirs."""
    if not digest:
        return field.clear(), []
    if not field.studio.uploads.has(digest, owner):
        return field.ask_for(digest, what), [what]
    return field.choose(Kept(owner, digest)), []


def chosen_markup(words: str, url: str = "", digest: str = "") -> str:
    """The chosen picture and words about it, or, without an address, the words that there is none.

    The digest of its pixels is for the browser, which remembers by it what was chosen.
    """
    if not url:
        return f'<p class="cx-hint">{markup.text(words)}</p>'
    return (
        f'<div class="cx-chosen" data-digest="{markup.text(digest)}">'
        f'<img src="{markup.text(url)}" alt="Chosen picture"><p>{markup.text(words)}</p></div>'
    )
