"""Several pictures as one: a strip, a sheet with captions, and a video.

Strips and sheets are RGB pictures, to be saved with `foundation.images.files.save_png`. Videos are H.264 in MP4, which
every browser plays; that is lossy, and what needs exact pixels is saved as PNG.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from foundation.errors import StudioError
from foundation.files.text_files import drafted
from foundation.images.pixels import pixels_of_one

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Pixels = NDArray[np.uint8]

WHITE: Colour = (255, 255, 255)
_TEXT: Colour = (32, 32, 32)
_CAPTION_LINES = 2
_TITLE_SHARE = 0.75
"""Width of the titles of rows, of that of a tile."""
_NOTHING: Colour = (236, 236, 236)
_CODEC_OPTIONS = {"crf": "16", "preset": "medium"}  # of x264: hardly a visible loss
_ELLIPSIS = "\u2026"


def strip(images: Iterable[Tensor], *, gap: int = 4, background: Colour = WHITE) -> Image.Image:
    """Images [3, H, W] or [1, 3, H, W] in [0, 1], all of one size, side by side, `gap` pixels apart.

    Raises StudioError where there are none, or they differ in size.
    """
    cells = _cells(images)
    height, width, _ = cells[0].shape
    whole = Image.new("RGB", (len(cells) * (width + gap) - gap, height), background)
    for index, cell in enumerate(cells):
        whole.paste(Image.fromarray(cell), (index * (width + gap), 0))
    return whole


def contact_sheet(
    images: Iterable[Tensor],
    captions: Sequence[str] = (),
    *,
    columns: int = 4,
    width: int | None = None,
    gap: int = 8,
    background: Colour = WHITE,
) -> Image.Image:
    """Images in rows, each with its caption below, in Pillow's own font.

    Args:
        images: [3, H, W] or [1, 3, H, W] in [0, 1], all of one size.
        captions: one for each image, or none at all. What does not fit two lines ends in an ellipsis.
        columns: of a full row, at least 1; one row needs no more than it has pictures.
        width: what each image is scaled to, in pixels; its own unless given.
        gap: pixels between images, and round the sheet.
        background: RGB, 0 to 255.

    Raises StudioError where these do not fit together.
    """
    cells = _cells(images)
    if captions and len(captions) != len(cells):
        raise StudioError(f"Give one caption for each of {len(cells)} pictures, or none; there are {len(captions)}.")
    if columns < 1 or (width is not None and width < 1):
        raise StudioError("A sheet needs at least one column, and pictures at least one pixel wide.")
    tiles = [_scaled(Image.fromarray(cell), width) for cell in cells]
    columns = min(columns, len(tiles))
    labels = [_label(caption, tiles[0].width, background) for caption in captions]
    across, down = tiles[0].width + gap, tiles[0].height + (labels[0].height if labels else 0) + gap
    sheet = Image.new("RGB", (gap + columns * across, gap + -(-len(tiles) // columns) * down), background)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        corner = gap + column * across, gap + row * down
        sheet.paste(tile, corner)
        if labels:
            sheet.paste(labels[index], (corner[0], corner[1] + tile.height))
    return sheet


def table_sheet(
    cells: Sequence[Sequence[Image.Image | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    tile: tuple[int, int],
    gap: int = 8,
    background: Colour = WHITE,
) -> Image.Image:
    """Pictures as a table, each row with its title to the left, each column with its title above it.

    Args:
        cells: row by row; None leaves a place empty. Pictures larger than a tile are made smaller, whatever their
            form, and all stand in the middle of their tiles.
        rows, columns: the titles. What does not fit beside a tile, or into two lines above it, ends in an ellipsis.
        tile: width and height in pixels of the place of each picture.
        gap: pixels between tiles, and round the sheet.
        background: RGB, 0 to 255.

    Raises StudioError where these do not fit together.
    """
    if not rows or not columns or len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        raise StudioError("A table needs a title for each of its rows and columns, and at least one of both.")
    width, height = tile
    heads = [_label(title, width, background) for title in columns]
    beside = max(80, round(_TITLE_SHARE * width))
    line = heads[0].height // _CAPTION_LINES
    titles = [_label(title, beside, background, lines=max(1, height // line), tile=width) for title in rows]
    left, top = 2 * gap + beside, gap + heads[0].height
    sheet = Image.new("RGB", (left + len(columns) * (width + gap), top + len(rows) * (height + gap)), background)
    for column, head in enumerate(heads):
        sheet.paste(head, (left + column * (width + gap), gap // 2))
    for row, title in enumerate(titles):
        sheet.paste(title, (gap, top + row * (height + gap)))
        for column, picture in enumerate(cells[row]):
            corner = left + column * (width + gap), top + row * (height + gap)
            shown = Image.new("RGB", tile, _NOTHING) if picture is None else _fitted(picture, tile)
            sheet.paste(shown, (corner[0] + (width - shown.width) // 2, corner[1] + (height - shown.height) // 2))
    return sheet


def _fitted(picture: Image.Image, tile: tuple[int, int]) -> Image.Image:
    factor = min(1.0, tile[0] / picture.width, tile[1] / picture.height)
    size = max(1, round(factor * picture.width)), max(1, round(factor * picture.height))
    return picture if factor == 1 else picture.resize(size, Image.Resampling.LANCZOS)


def _scaled(picture: Image.Image, width: int | None) -> Image.Image:
    if width is None:
        return picture
    return picture.resize((width, max(1, round(width * picture.height / picture.width))), Image.Resampling.LANCZOS)


def save_video(
    frames: Iterable[Tensor], path: str | Path, *, frames_per_second: int = 12, back_and_forth: bool = False
) -> int:
    """Save frames [3, H, W] or [1, 3, H, W] in [0, 1], all of one size, as an MP4 file, and return their number.

    Frames are taken one by one as they come. Odd sides grow by repeating their last row or column, because the
    format stores colours for two by two pixels. With `back_and_forth` all but the last and the first follow
    once more in reverse, so that the video can loop; they are kept in memory until then.

    The file appears whole or not at all. Raises StudioError for a name that does not end in .mp4, no frames,
    frames of several sizes, and whatever the file system or the encoder refuses.
    """
    target = Path(path)
    if target.suffix.lower() != ".mp4":
        raise StudioError(f"Videos are saved as MP4: give a name that ends in .mp4, not '{target.name}'.")
    if not 1 <= frames_per_second <= 120:
        raise StudioError(f"A video shows between 1 and 120 frames a second, not {frames_per_second}.")
    try:
        with drafted(target, ".mp4") as draft:
            count = _encode(_sequence(frames, back_and_forth), draft, frames_per_second)
    except (OSError, av.FFmpegError) as error:
        raise StudioError(f"The video could not be saved as '{target}': {error.strerror or error}.") from error
    return count


def _cells(images: Iterable[Tensor]) -> list[Pixels]:
    """8-bit pixels [H, W, 3] of at least one image."""
    cells = list(_sequence(images, back_and_forth=False))
    if not cells:
        raise StudioError("There are no pictures to show: give at least one.")
    return cells


def _sequence(images: Iterable[Tensor], back_and_forth: bool) -> Iterator[Pixels]:
    """8-bit pixels [H, W, 3] of each image, all of one size."""
    kept: list[Pixels] = []
    size: tuple[int, ...] | None = None
    for image in images:
        pixels = pixels_of_one(image)
        size = size or pixels.shape
        if pixels.shape != size:
            raise StudioError(
                f"All pictures must have one size; there are {size[0]} x {size[1]} and "
                f"{pixels.shape[0]} x {pixels.shape[1]} pixels."
            )
        if back_and_forth:
            kept.append(pixels)
        yield pixels
    yield from kept[-2:0:-1]


def _label(
    caption: str, width: int, background: Colour, *, lines: int = _CAPTION_LINES, tile: int | None = None
) -> Image.Image:
    """A caption in a picture of its own, so that no letter leaves its place; letters go by the width of a `tile`."""
    font = ImageFont.load_default(size=max(11.0, (tile or width) / 14))
    _, top, _, bottom = font.getbbox("\u00c9g")
    line = round(bottom - top) + 4
    label = Image.new("RGB", (width, lines * line), background)
    draw = ImageDraw.Draw(label)
    for number, text in enumerate(_wrapped(caption, font, width, lines)):
        draw.text((0, 4 + number * line - top), text, fill=_TEXT, font=font)
    return label


def _wrapped(text: str, font: Font, width: int, most: int) -> list[str]:
    """The text in at most so many lines of so many pixels, broken between words, and within those too long."""
    lines: list[str] = []
    rest = " ".join(text.split())[: most * width]  # hardly a letter is narrower than a pixel
    while rest:
        fits = next((end for end in range(len(rest), 1, -1) if font.getlength(rest[:end]) <= width), 1)
        if fits == len(rest):
            return [*lines, rest]
        if len(lines) == most - 1:
            while rest and font.getlength(rest + _ELLIPSIS) > width:
                rest = rest[:-1]
            return [*lines, rest.rstrip() + _ELLIPSIS]
        space = rest.rfind(" ", 1, fits + 1)
        lines.append(rest[: space if space > 0 else fits])
        rest = rest[len(lines[-1]) :].lstrip()
    return lines


def _encode(frames: Iterator[Pixels], path: Path, frames_per_second: int) -> int:
    """Write the frames, of one size, and return how many there were."""
    first = next(frames, None)
    if first is None:
        raise StudioError("There are no frames to make a video of: give at least one.")
    count = 0
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:  # the index first: it streams
        stream = container.add_stream("libx264", rate=frames_per_second, options=_CODEC_OPTIONS)
        stream.height, stream.width = (side + side % 2 for side in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.color_primaries = ColorPrimaries.BT709
        stream.codec_context.color_trc = ColorTrc.BT709
        for count, pixels in enumerate(chain([first], frames), start=1):  # noqa: B007 -- the last one is the number
            container.mux(stream.encode(_video_frame(pixels)))
        container.mux(stream.encode())
    return count


def _video_frame(pixels: Pixels) -> av.VideoFrame:
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(even, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
