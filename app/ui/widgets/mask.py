"""A mask drawn in the browser: what is painted over the start photo is what may change.

The painter is a canvas of our own over the photo. What it holds is a value of the page like any other: the photo's
address, the mask that was restored with its digest, and once somebody has painted, what is on the canvas.
"""

import base64
import binascii
import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, UnidentifiedImageError

from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from foundation.files.text_files import read_text

PAINTED = 128  # of 255: from this opacity on a pixel counts as painted, so that the soft rim of the brush does not
LONGEST = 1024
"""Longer side of the canvas in pixels; over larger photos it is scaled."""
MOST_LETTERS = 1_000_000
"""Of what a canvas is sent as, far above what brush strokes need."""
PREFIX = "data:image/png;base64,"
UNREADABLE = "What was painted cannot be read: clear the paint, and paint it again."

TEMPLATE = """
<div class="cx-painter">
  <div class="cx-paint-frame">
    <img alt="The photo to start from">
    <canvas tabindex="0" role="img" aria-label="Paint here: with the mouse, a finger, or the arrow keys and the space
 bar"></canvas>
    <i class="cx-pen" aria-hidden="true"></i>
  </div>
  <div class="cx-row cx-paint-tools">
    <button type="button" class="cx-button cx-choice" data-do="paint" aria-pressed="true">Paint</button>
    <button type="button" class="cx-button cx-choice" data-do="erase" aria-pressed="false">Erase</button>
    <button type="button" class="cx-button" data-do="undo">Undo</button>
    <button type="button" class="cx-button" data-do="clear">Clear</button>
    <label>Brush <input type="range" min="1" max="40" value="10" aria-label="Width of the brush"></label>
  </div>
</div>
"""

SCRIPT_PATH = Path(__file__).parent / "scripts" / "painter.js"


class MaskInput:
    """A brush over the start photo.

    Args:
        studio: what the page works with.
        elem_id: of the painter on the page.
    """

    def __init__(self, studio: Studio, elem_id: str) -> None:
        self.studio, self._elem_id = studio, elem_id

    def build(self) -> None:
        """Create the painter; it is not there before there is a photo."""
        with gr.Column(visible=False, elem_classes="cx-group") as self.area:
            gr.HTML(
                '<span class="cx-label">Where it may change</span><p class="cx-hint">Paint over the part to draw '
                "anew. Without any paint, all of the photo may change.</p>",
                apply_default_css=False,
            )
            self.editor = gr.HTML(
                None,
                html_template=TEMPLATE,
                js_on_load=read_text(SCRIPT_PATH),
                apply_default_css=False,
                elem_id=self._elem_id,
                elem_classes="cx-mask",
            )

    @property
    def outputs(self) -> list[Any]:
        """What ``follow`` and ``paint`` change."""
        return [self.area, self.editor]

    def follow(self, chosen: Kept | None) -> Updates:
        """Put a photo of the uploads under the brush, or with None nothing."""
        if chosen is None:
            return {self.area: gr.Column(visible=False), self.editor: {}}
        return {self.area: gr.Column(visible=True), self.editor: self._value(chosen)}

    def paint(self, chosen: Kept, mask: Kept) -> Updates:
        """Put a photo under the brush, with a mask that was painted before."""
        restored = {"mask": self._address(mask), "kept": mask.digest}
        return {**self.follow(chosen), self.editor: self._value(chosen) | restored}

    def _value(self, chosen: Kept) -> dict[str, object]:
        width, height = self.studio.uploads.size(chosen)
        scale = min(1.0, LONGEST / max(width, height))
        sides = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
        return {"photo": self._address(chosen), **sides, "mask": "", "kept": "", "painted": ""}

    def _address(self, kept: Kept) -> str:
        return self.studio.media.url(self.studio.uploads.find(kept.digest, kept.owner))

    def read(self, held: Any, size: tuple[int, int], owner: str) -> str:
        """The digest of the mask, of (width, height) pixels, that is kept for a visitor; "" without any paint.

        Raises:
            StudioError: what is held is no paint, or a restored mask is no longer here.
        """
        value = held if isinstance(held, dict) else {}
        painted, kept = value.get("painted") or "", value.get("kept") or ""
        if painted:
            mask = mask_of(canvas_of(painted), size)
            return "" if mask is None else self.studio.uploads.keep(mask, owner).digest
        if kept:
            self.studio.uploads.find(str(kept), owner)
        return str(kept)


def canvas_of(painted: Any) -> Image.Image:
    """What was sent of the canvas as a picture. FormError for anything that the painter does not send."""
    if not isinstance(painted, str) or not painted.startswith(PREFIX) or len(painted) > MOST_LETTERS:
        raise FormError(UNREADABLE)
    try:
        data = base64.b64decode(painted.removeprefix(PREFIX), validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            if max(opened.size) > LONGEST:
                raise FormError(UNREADABLE)
            return opened.convert("RGBA")
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise FormError(UNREADABLE) from error


def mask_of(canvas: Image.Image, size: tuple[int, int]) -> Image.Image | None:
    """The paint of a canvas as a mask of (width, height) pixels, white where it is painted; None without any paint."""
    alpha = canvas.convert("RGBA").getchannel("A")
    if alpha.size != size:
        alpha = alpha.resize(size, Image.Resampling.BILINEAR)
    mask = alpha.point([255 * (value >= PAINTED) for value in range(256)])
    return mask.convert("RGB") if mask.getbbox() else None
