"""Strips, sheets and videos: what was put in is where it belongs when it is read back."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.animation import contact_sheet, save_video, strip, table_sheet


def flat(red: float, green: float, blue: float, size: tuple[int, int] = (10, 14)) -> Tensor:
    return torch.tensor([float(red), float(green), float(blue)]).view(3, 1, 1).expand(3, *size)


def pictures(count: int, size: tuple[int, int] = (6, 9)) -> Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))


def decoded(path: Path) -> tuple[list[np.ndarray], float]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], float(stream.average_rate)


# --- strips and sheets --------------------------------------------------------------------------------------


def test_a_strip_by_hand():
    images = [flat(1, 0, 0, (2, 3)), flat(0, 0, 1, (2, 3))[None]]
    whole = np.asarray(strip(images, gap=2, background=(0, 128, 0)))
    assert whole.shape == (2, 8, 3)
    assert (whole[:, :3] == (255, 0, 0)).all()
    assert (whole[:, 3:5] == (0, 128, 0)).all()
    assert (whole[:, 5:] == (0, 0, 255)).all()


def test_a_sheet_has_every_picture_in_its_place_and_room_for_captions():
    images = pictures(5)
    plain = np.asarray(contact_sheet(images, columns=3, gap=4))
    assert plain.shape == (4 + 2 * (6 + 4), 4 + 3 * (9 + 4), 3)
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        cell = plain[4 + 10 * row :, 4 + 13 * column :][:6, :9]
        assert np.abs(cell / 255 - image.permute(1, 2, 0).numpy()).max() <= 0.51 / 255
    assert (plain[14:20, 4 + 2 * 13 :] == 255).all()  # the sixth place stays empty

    named = np.asarray(contact_sheet(images, ["a", "b", "c", "", "e"], columns=3, gap=4, width=90))
    height = (named.shape[0] - 4) // 2
    assert named.shape == (4 + 2 * height, 4 + 3 * 94, 3) and height > 60 + 4

    def ink(index: int) -> int:
        row, column = divmod(index, 3)
        return int((named[4 + row * height + 60 : (row + 1) * height, 4 + 94 * column :][:, :90] < 128).sum())

    assert [ink(index) > 0 for index in range(5)] == [True, True, True, False, True]
    assert (named[4 + height + 60 :, 4 + 2 * 94 :] == 255).all()


def test_fewer_pictures_than_columns_make_a_narrow_sheet():
    assert contact_sheet(pictures(2), columns=8, gap=1).size == (1 + 2 * 10, 1 + 7)


@pytest.mark.parametrize(
    "caption", ["word " * 3000, "x" * 10_000, "\U0001f980 \u03b1\u03b2\u03b3 \u6f22\u5b57", "two\nlines\tand tabs", " "]
)
def test_no_caption_leaves_its_place(caption):
    sheet = np.asarray(contact_sheet([flat(1, 1, 1, (40, 80))] * 2, [caption, ""], columns=2, gap=10))
    assert (sheet[:, 10 + 80 :] == 255).all()  # nothing in the gap, nor under the neighbour
    assert (sheet[-10:] == 255).all()
    assert (sheet < 128).any() == bool(caption.strip())


def test_a_long_caption_is_broken_between_words_and_cut_with_an_ellipsis():
    one, two, many = (
        np.asarray(contact_sheet([flat(1, 1, 1, (10, 120))], [text]))
        for text in ("goldfish", "goldfish in a very small bowl", "goldfish in a very small bowl " * 4)
    )
    assert one.shape == two.shape == many.shape
    below = [(sheet[10 + 8 :] < 128).any(axis=(1, 2)) for sheet in (one, two)]
    assert below[0].nonzero()[0].max() < below[1].nonzero()[0].max() - 5  # a second line


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(StudioError, match="no pictures"):
        strip([])
    with pytest.raises(StudioError, match="10 x 14 and 3 x 4 pixels"):
        strip([flat(0, 0, 0), flat(0, 0, 0, (3, 4))])
    with pytest.raises(StudioError, match="one caption for each of 2 pictures, or none; there are 1"):
        contact_sheet(pictures(2), ["a"])
    with pytest.raises(StudioError, match="at least one column"):
        contact_sheet(pictures(2), columns=0)
    with pytest.raises(StudioError, match="numbers"):
        strip([flat(0, float("nan"), 0)])


# --- videos -------------------------------------------------------------------------------------------------

COLOURS = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.9, 0.6, 0.1)]


def test_a_video_is_read_back(tmp_path: Path):
    path = tmp_path / "way.mp4"
    assert save_video((flat(*colour, (20, 34)) for colour in COLOURS), path, frames_per_second=5) == 4
    frames, rate = decoded(path)
    assert rate == 5
    assert [frame.shape for frame in frames] == [(20, 34, 3)] * 4
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame - 255 * np.array(colour)).max() <= 6
    assert [file.name for file in tmp_path.iterdir()] == ["way.mp4"]


def test_detail_survives(tmp_path: Path):
    smooth = torch.nn.functional.interpolate(pictures(1, (3, 4)), size=(48, 64), mode="bicubic").clamp(0, 1)
    save_video([smooth] * 3, tmp_path / "a.mp4")
    difference = np.abs(decoded(tmp_path / "a.mp4")[0][1] / 255 - smooth[0].permute(1, 2, 0).numpy())
    assert difference.mean() < 0.02  # colours are stored at half the pixels


@pytest.mark.parametrize("size", [(1, 1), (11, 16), (16, 13)])
def test_odd_sides_grow_by_their_last_row_or_column(tmp_path: Path, size: tuple[int, int]):
    save_video([flat(0.2, 0.5, 0.8, size)] * 2, tmp_path / "a.mp4")
    frames, _ = decoded(tmp_path / "a.mp4")
    assert frames[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(frames[0] - 255 * np.array([0.2, 0.5, 0.8])).max() <= 6


@pytest.mark.parametrize(("count", "order"), [(1, [0]), (2, [0, 1]), (4, [0, 1, 2, 3, 2, 1])])
def test_back_and_forth_leaves_out_both_ends(tmp_path: Path, count: int, order: list[int]):
    colours = COLOURS[:count]
    assert save_video([flat(*colour) for colour in colours], tmp_path / "a.mp4", back_and_forth=True) == len(order)
    frames, _ = decoded(tmp_path / "a.mp4")
    found = [min(range(count), key=lambda i: np.abs(frame - 255 * np.array(colours[i])).sum()) for frame in frames]
    assert found == order


def test_frames_are_taken_as_they_come(tmp_path: Path):
    alive = []

    def frames() -> Iterator[Tensor]:
        for colour in COLOURS * 10:
            frame = flat(*colour).clone()
            alive.append(frame)
            assert len(alive) == 1
            yield frame
            alive.pop()

    assert save_video(frames(), tmp_path / "a.mp4") == 40


class ThrownAway(Exception):
    """Work that somebody has thrown away."""


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def breaks() -> Iterator[Tensor]:
        yield flat(0, 0, 0)
        raise ThrownAway

    with pytest.raises(ThrownAway):
        save_video(breaks(), path)
    with pytest.raises(StudioError, match="one size; there are 10 x 14 and 8 x 8 pixels"):
        save_video([flat(0, 0, 0), flat(0, 0, 0, (8, 8))], path)
    with pytest.raises(StudioError, match="no frames"):
        save_video([], path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_what_cannot_be_saved_is_a_sentence(tmp_path: Path):
    with pytest.raises(StudioError, match=r"ends in \.mp4, not 'a\.gif'"):
        save_video([flat(0, 0, 0)], tmp_path / "a.gif")
    with pytest.raises(StudioError, match=r"could not be saved as .*No such file"):
        save_video([flat(0, 0, 0)], tmp_path / "missing" / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(StudioError, match=r"could not be saved as .*directory"):
        save_video([flat(0, 0, 0)], tmp_path / "folder.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["folder.mp4"]
    for rate in 0, 121:
        with pytest.raises(StudioError, match="between 1 and 120"):
            save_video([flat(0, 0, 0)], tmp_path / "a.mp4", frames_per_second=rate)


def test_strips_and_sheets_are_pictures_that_save(tmp_path: Path):
    from foundation.images.files import load_image, save_png

    save_png(strip(pictures(3, (12, 16))), tmp_path / "strip.png")
    assert load_image(tmp_path / "strip.png").size == (3 * 20 - 4, 12)
    assert isinstance(contact_sheet(pictures(2)), Image.Image)


# --- tables -------------------------------------------------------------------------------------------------


def test_a_table_has_each_picture_in_its_place_and_titles_beside() -> None:
    colours = [["red", "lime"], ["blue", None]]
    shown = [[None if name is None else Image.new("RGB", (40, 30), name) for name in row] for row in colours]
    sheet = table_sheet(shown, ["one", "two"], ["a", "b"], tile=(60, 50), gap=10)
    pixels = np.asarray(sheet)
    left, top = sheet.width - 2 * 70, sheet.height - 2 * 60
    for row, column, expected in ((0, 0, (255, 0, 0)), (0, 1, (0, 255, 0)), (1, 0, (0, 0, 255))):
        y, x = top + row * 60, left + column * 70
        inner = pixels[y + 10 : y + 40, x + 10 : x + 50]
        assert (inner == expected).all() and inner.shape == (30, 40, 3)
        assert (pixels[y : y + 10, x : x + 60] == 255).all()  # it stands in the middle of its tile
    empty = pixels[top + 60 : top + 110, left + 70 : left + 130]
    assert len(np.unique(empty)) == 1 and empty.max() < 255
    assert (pixels[top:, :left] < 128).any() and (pixels[:top, left:] < 128).any()  # letters


def test_large_pictures_of_a_table_become_smaller_and_keep_their_form() -> None:
    sheet = table_sheet([[Image.new("RGB", (400, 100), "red")]], ["y"], ["x"], tile=(80, 80), gap=4)
    red = (np.asarray(sheet) == (255, 0, 0)).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (len(rows), len(columns)) == (20, 80)


def test_a_table_needs_a_title_for_all() -> None:
    for cells, rows, columns in (([], [], ["a"]), ([[None]], ["a"], []), ([[None], [None, None]], ["a", "b"], ["c"])):
        with pytest.raises(StudioError, match="A table needs a title for each"):
            table_sheet(cells, rows, columns, tile=(8, 8))
