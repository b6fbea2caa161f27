import io

import numpy as np
import pytest
from PIL import Image

from generator.errors import StudioError
from generator.explorer.survival import SURVIVALS, find_survivals
from tests.corpus import gradient


def noisy(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


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
