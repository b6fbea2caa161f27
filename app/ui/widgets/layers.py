"""The layers of a picture as tiles to switch off and on."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.handlers.layers import Band, bands
from app.records.pictures import pictures_of
from app.ui.markup import markup
from app.ui.markup.gallery import CLICK_JS
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from foundation.jobs.store.model import JobSnapshot, JobStatus

TILE_SIDE = 128
EACH, ONLY, UPTO = "each", "only", "upto"
MODES = {EACH: "Switch on and off", ONLY: "One by one", UPTO: "Up to"}


def band_name(band: Band) -> str:
    """A group as it is called under its tile."""
    return str(band[0]) if len(band) == 1 else f"{band[0]}-{band[-1]}"


def data_uri(image: Image.Image, side: int | None = None) -> str:
    """A picture as a PNG data URI, scaled down to ``side`` where given."""
    shown = image.copy()
    if side is not None:
        shown.thumbnail((side, side))
    buffer = io.BytesIO()
    shown.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def layer_markup(
    picture: str,
    tiles: Sequence[tuple[Band, str, bool]],
    mode: str,
    pictures: Sequence[bool],
    *,
    from_photo: bool = False,
) -> str:
    """The part of the page: the picture with what is switched on, and one pressed button per band.

    ``mode`` is a key of ``MODES``; ``pictures`` has a button for each picture to choose from, pressed or not.
    """
    what = "What was changed of the picture that it began with" if from_photo else "The picture"
    on = [band_name(band) for band, _, pressed in tiles if pressed]
    buttons = "".join(
        f'<button class="cx-tile" data-pick="band:{number}" aria-pressed="{str(pressed).lower()}">'
        f'<img src="{uri}" alt=""><span>{f"to {band[-1]}" if mode == UPTO else band_name(band)}</span></button>'
        for number, (band, uri, pressed) in enumerate(tiles)
    )
    chooser = "".join(_choice(f"image:{i}", f"Picture {i + 1}", chosen) for i, chosen in enumerate(pictures))
    modes = "".join(_choice(f"mode:{name}", words, name == mode) for name, words in MODES.items())
    every = (
        '<div class="cx-row cx-layer-all"><button class="cx-button" data-pick="all">All on</button>'
        '<button class="cx-button" data-pick="none">All off</button></div>'
    )
    alt = f"The picture with the layers {', '.join(on)}" if on else "The picture without any layer"
    return (
        '<section class="cx-layers" aria-label="Layers"><div><h3>Layers</h3>'
        f"<p>{what} is the sum of these, from one cell across to the finest. Switch one off to see what it "
        f"carries.</p></div>{_row(chooser)}"
        f'<div class="cx-layer-body"><img src="{picture}" alt="{markup.text(alt)}"><div>{_row(modes)}'
        f'<div class="cx-tiles">{buttons}</div>{every if mode == EACH else ""}</div></div></section>'
    )


def _choice(pick: str, words: str, chosen: bool) -> str:
    pressed = str(chosen).lower()
    return f'<button class="cx-button cx-choice" data-pick="{pick}" aria-pressed="{pressed}">{words}</button>'


def _row(buttons: str) -> str:
    return f'<div class="cx-row cx-choices">{buttons}</div>' if buttons else ""


@dataclass(frozen=True)
class _Shown:
    """What is shown of a job: one of so many pictures, in a mode, with a data URI for each tile, pressed or not."""

    folder: Path
    index: int
    count: int
    from_photo: bool
    mode: str = EACH
    tiles: tuple[str, ...] = ()
    on: tuple[bool, ...] = ()


class LayerView:
    """Shows the layers of the finished job on the stage.

    Args:
        studio: what the page works with.
        elem_id: of the view on the page.
        chooser: whether it has buttons of its own to choose one of several pictures.
    """

    def __init__(self, studio: Studio, elem_id: str = "layers", *, chooser: bool = True) -> None:
        self.studio = studio
        self._elem_id, self._chooser = elem_id, chooser
        # A page that is opened again shows the tiles again, which never change once a picture is finished.
        self._tile = lru_cache(maxsize=512)(self._drawn)

    def build(self) -> None:
        """Create the components; empty until a picture is finished."""
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        self.view = gr.HTML(
            "", elem_id=self._elem_id, elem_classes="cx-below", apply_default_css=False, js_on_load=CLICK_JS
        )
        self.state = gr.State(None)  # a _Shown

    @property
    def outputs(self) -> list[Any]:
        """What following a job changes."""
        return [self.view, self.state]

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """Show the layers of a finished job, or nothing."""
        return self.show(snapshot, 0)

    def show(self, snapshot: JobSnapshot | None, index: int) -> Updates:
        """Show the layers of one picture (from 0) of a finished job, or nothing."""
        kept = snapshot is not None and snapshot.status in (JobStatus.DONE, JobStatus.STOPPED)
        if snapshot is None or not kept or not snapshot.result:
            return {self.view: "", self.state: None}
        images = pictures_of(snapshot)
        from_photo = bool(images and images[0].source)
        return self._open(_Shown(Path(snapshot.folder), index, len(images) or 1, from_photo))

    def wire(self) -> None:
        """Connect the tiles."""

        def pick(state: _Shown | None, event: gr.EventData) -> Updates:
            if not state:
                return {}
            return self._pick(state, str(event.pick))

        self.view.select(guarded(self.notice)(pick), [self.state], [self.notice, *self.outputs], **QUICK)

    def _open(self, state: "_Shown") -> Updates:
        folder, index, mode = state.folder, state.index, state.mode
        groups = bands(self.studio.layers.resolutions(folder, index))
        if not groups:
            return {self.view: "", self.state: None}
        shown = [
            tuple(r for band in groups[: i + 1] for r in band) if mode == UPTO else groups[i] for i in _range(groups)
        ]
        tiles = tuple(self._tile(folder, index, keep, mode != UPTO) for keep in shown)
        on = tuple(mode != ONLY or i == len(groups) // 2 for i in _range(groups))
        return self._draw(replace(state, tiles=tiles, on=on), groups)

    def _drawn(self, folder: Path, index: int, keep: Band, on_grey: bool) -> str:
        return data_uri(self.studio.layers.render(folder, index, keep, on_grey=on_grey), TILE_SIDE)

    def _pick(self, state: "_Shown", choice: str) -> Updates:
        what, _, name = choice.partition(":")
        number, mode = int(name) if name.isdecimal() else -1, state.mode
        if what == "image" and 0 <= number < state.count:
            return self._open(replace(state, index=number))
        if what == "mode" and name in MODES:
            return self._open(replace(state, mode=name))
        groups = bands(self.studio.layers.resolutions(state.folder, state.index))
        on = list(state.on)
        if what in ("all", "none"):
            on = [what == "all"] * len(groups)
        elif what == "band" and 0 <= number < len(groups):
            press = {EACH: lambda i: on[i] != (i == number), ONLY: lambda i: i == number, UPTO: lambda i: i <= number}
            on = [press[mode](i) for i in _range(groups)]
        return self._draw(replace(state, on=tuple(on)), groups)

    def _draw(self, state: "_Shown", groups: Sequence[Band]) -> Updates:
        keep = [r for band, on in zip(groups, state.on, strict=True) if on for r in band]
        picture = self.studio.layers.render(state.folder, state.index, keep, on_grey=state.mode == ONLY)
        tiles = list(zip(groups, state.tiles, state.on, strict=True))
        several = self._chooser and state.count > 1
        pictures = [i == state.index for i in range(state.count)] if several else []
        page = layer_markup(data_uri(picture), tiles, state.mode, pictures, from_photo=state.from_photo)
        return {self.view: page, self.state: state}


def _range(groups: Sequence[Band]) -> range:
    return range(len(groups))
