import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foundation.errors import StudioError
from foundation.images.files import save_png
from generator.transfer.batch import Measuring, measure_cases
from generator.transfer.outcome import Question
from generator.transfer.table import Case
from generator.victims.survival import SURVIVALS, NotApplicableError, find_survivals
from generator.victims.victims import classifier_victim
from tests.corpus import gradient
from tests.generator.standins import Colours
from tests.generator.transfer.standins import Context


def noisy(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_what_a_format_cannot_hold_is_not_applicable() -> None:
    """F15: WebP takes 16383 pixels a side, and a square of the longer side would be far too large."""
    wide = Image.new("RGB", (16384, 8))
    for name in ("webp-80", "middle-224", "pad-square"):
        with pytest.raises(NotApplicableError, match="pixels"):
            SURVIVALS[name].apply(wide)
    for name in ("jpeg-75", "half", "half-and-back", "squash-224", "screenshot", "blur-1"):
        SURVIVALS[name].apply(wide)


def test_one_step_that_cannot_be_taken_ends_nothing(tmp_path: Path) -> None:
    """F15: its row is not applicable and says why; all others are there, and the control counts it no more."""
    paths = [tmp_path / "wide.png", tmp_path / "wide-attacked.png", tmp_path / "p.png", tmp_path / "p-attacked.png"]
    for path, size in zip(paths, [(16384, 8)] * 2 + [(40, 24)] * 2, strict=True):
        save_png(noisy(*size), path)
    cases = [
        Case(name, "a", tmp_path / f"{name}.png", tmp_path / f"{name}-attacked.png", Question())
        for name in ("wide", "p")
    ]
    victims = [classifier_victim("colours", Colours())]
    survivals = ("saved", "webp-80", "half")
    report, found = measure_cases(Context(), cases, tmp_path / "out", Measuring(victims, survivals))
    rows = {(row["image"], row["survival"]): row for row in found["rows"]}
    assert len(rows) == 6 and not found["failed"]
    bad = rows["wide", "webp-80"]
    assert bad["outcome"] == "not applicable" and "16,383" in bad["why"] and not bad["reached"] and not bad["by_itself"]
    assert all(row["outcome"] in ("success", "failure") for key, row in rows.items() if key != ("wide", "webp-80"))
    (cell,) = [cell for cell in found["cells"] if cell["survival"] == "webp-80"]
    assert cell["left_out"] == {"not applicable": 1} and cell["rate"]["total"] == cell["of_all"]["total"] == 1
    sentence = "webp-80 is not applicable to wide. WEBP holds at most 16,383 pixels a side"
    assert sentence in report.skipped[0] and sentence in (tmp_path / "out/report.html").read_text()
    assert "16,383" in (tmp_path / "out/rows.csv").read_text()


@pytest.mark.parametrize("size", [(33, 20), (8, 8), (8, 300)])
@pytest.mark.parametrize("name", SURVIVALS)
def test_each_gives_a_picture_and_leaves_the_given_one(name: str, size: tuple[int, int]) -> None:
    picture = noisy(*size)
    before = picture.tobytes()
    after = SURVIVALS[name].apply(picture)
    assert after.mode == "RGB" and min(after.size) > 0
    assert picture.tobytes() == before and SURVIVALS[name].description.endswith(".")
    again = SURVIVALS[name].apply(picture)
    assert again.tobytes() == after.tobytes()
    if name == "saved":
        assert after.tobytes() == before
    elif size != (8, 8):
        assert after.size != picture.size or after.tobytes() != before


def test_sizes_by_hand() -> None:
    wide = noisy(64, 40)
    sizes = {name: SURVIVALS[name].apply(wide).size for name in SURVIVALS}
    assert sizes["half"] == (32, 20) and sizes["half-and-back"] == (64, 40) == sizes["screenshot"]
    assert sizes["crop-75"] == (48, 30) and sizes["middle-224"] == (224, 224) == sizes["squash-224"]
    assert sizes["pad-square"] == (64, 64) and sizes["patch-shift"] == (57, 33)


def test_crops_and_bars_keep_the_pixels_in_the_middle() -> None:
    pixels = gradient(40, 64)
    picture = Image.fromarray(pixels)
    assert np.array_equal(np.asarray(SURVIVALS["crop-75"].apply(picture)), pixels[5:35, 8:56])
    assert np.array_equal(np.asarray(SURVIVALS["patch-shift"].apply(picture)), pixels[7:, 7:])
    assert np.array_equal(np.asarray(SURVIVALS["pad-square"].apply(picture))[12:52], pixels)


def test_jpeg_is_pillows() -> None:
    picture, buffer = noisy(32, 24), io.BytesIO()
    picture.save(buffer, format="JPEG", quality=50)
    assert SURVIVALS["jpeg-50"].apply(picture).tobytes() == Image.open(buffer).convert("RGB").tobytes()
    errors = [
        np.abs(np.asarray(SURVIVALS[f"jpeg-{q}"].apply(picture), float) - np.asarray(picture, float)).mean()
        for q in (95, 75, 50, 30)
    ]
    assert errors == sorted(errors)


def test_finding() -> None:
    assert list(find_survivals(["jpeg-50", "saved"])) == ["saved", "jpeg-50"]
    assert list(find_survivals(["all"])) == list(SURVIVALS) and list(find_survivals([])) == ["saved"]
    with pytest.raises(StudioError, match="no 'jpeg-1' to survive"):
        find_survivals(["jpeg-1"])
