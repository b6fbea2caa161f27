"""The layers of a picture as tiles to switch off and on."""

import base64
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.jobs.model import JobSnapshot, JobStatus
from app.ui import markup
from app.ui.gallery import CLICK_JS
from app.ui.guard import Updates, guarded
from app.ui.services import Studio

MOST_TILES = 12
TILE_SIDE = 128

Band = tuple[int, ...]


def bands(resolutions: Sequence[int], most: int = MOST_TILES) -> list[Band]:
    """Group many resolutions into few: each alone while they are few, else octaves (1, 2-3, 4-7, 8-15 ...)."""
    ordered = sorted(resolutions)
    if len(ordered) <= most:
        return [(r,) for r in ordered]
    octaves: dict[int, list[int]] = {}
    for r in ordered:
        octaves.setdefault(r.bit_length(), []).append(r)
    return [tuple(group) for _, group in sorted(octaves.items())]


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


def layer_markup(picture: str, tiles: Sequence[tuple[Band, str, bool]], index: int, count: int) -> str:
    """The part of the page: the picture with what is switched on, and one pressed button per band."""
    on = [band_name(band) for band, _, pressed in tiles if pressed]
    buttons = "".join(
        f'<button class="cx-tile" data-pick="band:{number}" aria-pressed="{str(pressed).lower()}">'
        f'<img src="{uri}" alt=""><span>{band_name(band)}</span></button>'
        for number, (band, uri, pressed) in enumerate(tiles)
    )
    chooser = ""
    if count > 1:
        options = "".join(
            f'<button class="cx-button" data-pick="image:{i}"{" disabled" if i == index else ""}>'
            f"Picture {i + 1}</button>"
            for i in range(count)
        )
        chooser = f'<div class="cx-row">{options}</div>'
    alt = f"The picture with the layers {', '.join(on)}" if on else "The picture without any layer"
    return (
        '<section class="cx-layers" aria-label="Layers"><div><h3>Layers</h3>'
        "<p>The picture is the sum of these, from one cell across to the finest. Switch one off to see what it "
        f"carries.</p></div>{chooser}"
        f'<div class="cx-layer-body"><img src="{picture}" alt="{markup.text(alt)}"><div>'
        f'<div class="cx-tiles">{buttons}</div><div class="cx-row cx-layer-all">'
        '<button class="cx-button" data-pick="all">All on</button>'
        '<button class="cx-button" data-pick="none">All off</button></div></div></div></section>'
    )


class LayerView:
    """Shows the layers of the finished job on the stage.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build(self) -> None:
        """Create the components; empty until a picture is finished."""
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        self.view = gr.HTML("", elem_id="layers", apply_default_css=False, js_on_load=CLICK_JS)
        # (folder, picture's index, number of pictures, data URIs of the tiles, which bands are on)
        self.state = gr.State(None)

    @property
    def outputs(self) -> list[Any]:
        """What following a job changes."""
        return [self.view, self.state]

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """Show the layers of a finished job, or nothing."""
        kept = snapshot is not None and snapshot.status in (JobStatus.DONE, JobStatus.STOPPED)
        if snapshot is None or not kept or not snapshot.result:
            return {self.view: "", self.state: None}
        count = len(snapshot.result.get("images", [])) or 1
        return self._open(Path(snapshot.folder), 0, count)

    def wire(self) -> None:
        """Connect the tiles."""

        def pick(state: dict[str, Any] | None, event: gr.EventData) -> Updates:
            if not state:
                return {}
            return self._pick(state, str(event.pick))

        self.view.select(
            guarded(self.notice)(pick),
            [self.state],
            [self.notice, *self.outputs],
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )

    def _open(self, folder: Path, index: int, count: int) -> Updates:
        groups = bands(self.studio.layers.resolutions(folder, index))
        if not groups:
            return {self.view: "", self.state: None}
        tiles = [data_uri(self.studio.layers.render(folder, index, band), TILE_SIDE) for band in groups]
        state = {"folder": str(folder), "index": index, "count": count, "tiles": tiles, "on": [True] * len(groups)}
        return self._draw(state, groups)

    def _pick(self, state: dict[str, Any], choice: str) -> Updates:
        folder, index = Path(state["folder"]), int(state["index"])
        what, _, number = choice.partition(":")
        if what == "image" and number.isdecimal() and int(number) < state["count"]:
            return self._open(folder, int(number), state["count"])
        groups = bands(self.studio.layers.resolutions(folder, index))
        on = list(state["on"])
        if what in ("all", "none"):
            on = [what == "all"] * len(groups)
        elif what == "band" and number.isdecimal() and int(number) < len(groups):
            on[int(number)] = not on[int(number)]
        return self._draw({**state, "on": on}, groups)

    def _draw(self, state: dict[str, Any], groups: Sequence[Band]) -> Updates:
        keep: Collection[int] = [r for band, on in zip(groups, state["on"], strict=True) if on for r in band]
        picture = self.studio.layers.render(Path(state["folder"]), int(state["index"]), keep)
        tiles = list(zip(groups, state["tiles"], state["on"], strict=True))
        return {
            self.view: layer_markup(data_uri(picture), tiles, int(state["index"]), int(state["count"])),
            self.state: state,
        }
