"""A mask drawn in the browser: what is painted over the start photo is what may change."""

from typing import Any

import gradio as gr
from PIL import Image

from app.ui.guard import Updates
from app.ui.services import Studio
from app.uploads import Kept
from generator.image import load_image

PAINTED = 128  # of 255: from this opacity on a pixel counts as painted, so that the soft rim of the brush does not
EDITOR_HEIGHT = 340


class MaskInput:
    """A brush over the start photo.

    Args:
        studio: what the page works with.
        elem_id: of the editor on the page.
    """

    def __init__(self, studio: Studio, elem_id: str) -> None:
        self.studio, self._elem_id = studio, elem_id

    def build(self) -> None:
        """Create the editor; it is not there before there is a photo."""
        with gr.Column(visible=False, elem_classes="cx-group") as self.area:
            gr.HTML(
                '<span class="cx-label">Where it may change</span><p class="cx-hint">Paint over the part to draw '
                "anew. Without any paint, all of the photo may change.</p>",
                apply_default_css=False,
            )
            self.editor = gr.ImageEditor(
                type="pil",
                format="png",
                sources=(),
                transforms=(),
                layers=False,
                buttons=[],
                show_label=False,
                height=EDITOR_HEIGHT,
                brush=gr.Brush(default_size="auto", colors=["#f2b705"], color_mode="fixed"),
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
            return {self.area: gr.Column(visible=False), self.editor: None}
        return {self.area: gr.Column(visible=True), self.editor: self._value(chosen, [])}

    def paint(self, chosen: Kept, mask: Kept) -> Updates:
        """Put a photo under the brush, with a mask that was painted before."""
        alpha = self._picture(mask).convert("L")
        layer = Image.new("RGBA", alpha.size, (0xF2, 0xB7, 0x05, 0))
        layer.putalpha(alpha)
        return {**self.follow(chosen), self.editor: self._value(chosen, [layer])}

    def _value(self, chosen: Kept, layers: list[Image.Image]) -> dict[str, Any]:
        # As pixels and not as a path: no file of ours is handed to Gradio.
        return {"background": self._picture(chosen), "layers": layers, "composite": None}

    def _picture(self, kept: Kept) -> Image.Image:
        return load_image(self.studio.uploads.find(kept.digest, kept.owner))

    def read(self, painted: Any, size: tuple[int, int], owner: str) -> str:
        """The digest of the mask, of (width, height) pixels, that is kept for a visitor; "" without any paint."""
        mask = mask_of(painted, size)
        return "" if mask is None else self.studio.uploads.keep(mask, owner).digest


def mask_of(painted: Any, size: tuple[int, int]) -> Image.Image | None:
    """What the editor holds as a mask of (width, height) pixels, white where it is painted; None without any paint."""
    layers = painted.get("layers", ()) if isinstance(painted, dict) else ()
    mask = Image.new("L", size)
    for layer in layers:
        alpha = layer.convert("RGBA").getchannel("A")
        if alpha.size != size:
            alpha = alpha.resize(size, Image.Resampling.BILINEAR)
        mask.paste(255, mask=alpha.point([255 * (value >= PAINTED) for value in range(256)]))
    return mask.convert("RGB") if mask.getbbox() else None
