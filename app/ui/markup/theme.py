"""The look of the page: a Gradio theme, one style sheet and the picture that explains the idea.

Fonts are the ones Gradio itself serves from its own static folder, so the page asks nothing of the internet.
Only their regular and bold cuts: the semibold files that come with Gradio lack most letters.
"""

import base64
import io
from functools import cache
from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, fonts, sizes
from PIL import Image

from foundation.files.text_files import read_text

VIRIDIAN = colors.Color(
    name="viridian",
    c50="#ecf8f3",
    c100="#d2eee2",
    c200="#a8dec8",
    c300="#74c8a8",
    c400="#3eb589",
    c500="#158a66",
    c600="#0a6b4e",
    c700="#095a43",
    c800="#0a4736",
    c900="#0a3a2d",
    c950="#05211a",
)
STONE = colors.Color(
    name="stone-green",
    c50="#f7f9f7",
    c100="#eef1ee",
    c200="#dfe5e0",
    c300="#c6d0c9",
    c400="#8fa097",
    c500="#64766d",
    c600="#4b5c54",
    c700="#35443d",
    c800="#1b2723",
    c900="#131d1a",
    c950="#0c1412",
)

STYLE_PATH = Path(__file__).with_name("style.css")


def build_theme() -> gr.themes.Base:
    """The Gradio theme: green ink on cool paper, square corners, Plex for text and numbers."""
    theme = gr.themes.Base(
        primary_hue=VIRIDIAN,
        secondary_hue=VIRIDIAN,
        neutral_hue=STONE,
        radius_size=sizes.radius_sm,
        spacing_size=sizes.spacing_md,
        text_size=sizes.text_md,
        font=(
            fonts.LocalFont("IBM Plex Sans", weights=(400, 700)),
            "Segoe UI",
            "system-ui",
            "sans-serif",
        ),
        font_mono=(
            fonts.LocalFont("IBM Plex Mono", weights=(400, 700)),
            "ui-monospace",
            "Menlo",
            "Consolas",
            "monospace",
        ),
    )
    return theme.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        body_text_color="#10201b",
        body_text_color_dark="#e7efea",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="#9bb0a6",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="#101917",
        border_color_primary="*neutral_300",
        border_color_primary_dark="#2d3d37",
        border_color_accent="*primary_600",
        border_color_accent_dark="*primary_400",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_shadow="none",
        block_title_text_weight="600",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_text_size="*text_sm",
        block_info_text_size="*text_sm",
        block_info_text_color="*body_text_color_subdued",
        block_info_text_color_dark="*body_text_color_subdued",
        form_gap_width="0px",
        layout_gap="18px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#0f1916",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="#3d5149",
        input_border_color_focus="*primary_600",
        input_border_color_focus_dark="*primary_400",
        input_shadow="none",
        input_shadow_focus="0 0 0 3px color-mix(in srgb, var(--primary-500) 25%, transparent)",
        checkbox_label_background_fill="#ffffff",
        checkbox_label_background_fill_dark="#0f1916",
        checkbox_label_border_color="*neutral_400",
        checkbox_label_border_color_dark="#3d5149",
        checkbox_label_background_fill_selected="*primary_600",
        checkbox_label_background_fill_selected_dark="*primary_400",
        checkbox_label_border_color_selected="*primary_600",
        checkbox_label_border_color_selected_dark="*primary_400",
        checkbox_label_text_color_selected="#ffffff",
        checkbox_label_text_color_selected_dark="#05211a",
        checkbox_label_padding="7px 12px",
        checkbox_label_text_size="*text_md",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        button_border_width="1px",
        button_large_text_weight="600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_border_color="*primary_600",
        button_primary_border_color_dark="*primary_400",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#05211a",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="*neutral_900",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_400",
        button_secondary_border_color_dark="#3d5149",
        button_secondary_text_color="*body_text_color",
        button_secondary_text_color_dark="*body_text_color",
        link_text_color="*primary_600",
        link_text_color_dark="*primary_300",
        code_background_fill="*neutral_200",
        code_background_fill_dark="*neutral_800",
    )


def read_style() -> str:
    """The style sheet that goes to ``launch(css=...)``."""
    return read_text(STYLE_PATH)


def _eye(x: float, y: float) -> tuple[float, float, float]:
    """The colour, in [0, 1], of a frog's eye at a place of the unit square (y grows downwards)."""
    dx, dy = x - 0.5, y - 0.54
    radius = (dx * dx + dy * dy) ** 0.5
    if ((x - 0.4) ** 2 + (y - 0.4) ** 2) ** 0.5 < 0.055:
        return 1.0, 1.0, 0.95
    if (dx / 0.24) ** 2 + (dy / 0.095) ** 2 < 1:
        return 0.04, 0.08, 0.07
    if radius < 0.33:
        warm = radius / 0.33
        return 0.97, 0.80 - 0.34 * warm, 0.12 + 0.03 * warm
    if radius < 0.40:
        return 0.05, 0.20, 0.15
    shade = 0.55 + 0.6 * (1 - y) - 0.25 * abs(dx)
    return 0.10 * shade + 0.05 * y, 0.62 * shade, 0.40 * shade


def _mosaic(cells: int, samples: int = 96) -> Image.Image:
    """The eye averaged over a grid of ``cells`` by ``cells``."""
    full = Image.new("RGB", (samples, samples))
    full.putdata(
        [
            tuple(round(255 * channel) for channel in _eye((i + 0.5) / samples, (j + 0.5) / samples))
            for j in range(samples)
            for i in range(samples)
        ]
    )
    return full.resize((cells, cells), Image.Resampling.BOX)


@cache
def mosaic_uri(cells: int) -> str:
    """A data URI of the eye at one resolution, as a PNG of ``cells`` by ``cells`` pixels."""
    buffer = io.BytesIO()
    _mosaic(cells).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def write_favicon(path: Path) -> Path:
    """Write the page's icon (the eye in 8 by 8 cells) and return where it lies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _mosaic(8).resize((64, 64), Image.Resampling.NEAREST).save(path, format="PNG")
    return path
