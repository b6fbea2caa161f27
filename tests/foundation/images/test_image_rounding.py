"""From numbers to grey levels: exact rounding, and budgets that hold after it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from foundation.images.distance import l2, linf
from foundation.images.files import (
    ImageError,
    load_image,
    quantise,
    quantise_within,
    save_png,
    to_pil,
    to_tensor,
    to_uint8,
)
from tests import corpus
from tests.generator.standins import random_images

VALID = corpus.valid()


def test_to_uint8_rounds_half_up_and_clamps() -> None:
    values = torch.tensor([-127.5, 0, 0.49, 0.5, 127.5, 128.4999, 254.6, 255, 999], dtype=torch.float64)
    pixels = to_uint8((values / 255).expand(2, 3, 4, 9))
    assert pixels.shape == (2, 4, 9, 3)
    assert pixels.dtype == np.uint8
    assert pixels[1, 2, :, 1].tolist() == [0, 0, 0, 1, 128, 128, 255, 255, 255]


def test_layout_height_width_channels() -> None:
    array = np.zeros((3, 5, 3), np.uint8)
    array[2, 4] = (255, 51, 0)
    images = to_tensor(array)
    assert images.shape == (1, 3, 3, 5)
    assert images.dtype == torch.float32
    assert images[0, :, 2, 4].tolist() == pytest.approx([1, 0.2, 0])
    assert images.sum() == pytest.approx(1.2)
    pictures = to_pil(torch.cat([images, images.flip(3)]))
    assert [picture.size for picture in pictures] == [(5, 3), (5, 3)]
    assert pictures[0].getpixel((4, 2)) == pictures[1].getpixel((0, 2)) == (255, 51, 0)


def test_all_256_levels_survive() -> None:
    levels = np.arange(256, dtype=np.uint8)
    array = np.stack([levels, levels[::-1], levels // 2], axis=1).reshape(16, 16, 3)
    assert (to_uint8(to_tensor(array))[0] == array).all()
    assert (to_tensor(Image.fromarray(array)) == to_tensor(array)).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    images = random_images()
    images[1, 2, 3, 4] = value
    for convert in (to_uint8, to_pil, quantise):
        with pytest.raises(ImageError, match="NaN"):
            convert(images)


@pytest.mark.parametrize(
    "images", [torch.zeros(3, 8, 8), torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)]
)
def test_other_tensors_are_refused(images: torch.Tensor) -> None:
    with pytest.raises(ImageError, match=r"\[B, 3, H, W\]"):
        to_uint8(images)


def test_other_pictures_and_arrays_are_refused() -> None:
    for picture in (Image.new("L", (9, 9)), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)):
        with pytest.raises(ImageError, match=r"RGB|8-bit"):
            to_tensor(picture)  # type: ignore[arg-type]


def test_what_is_saved_is_exactly_the_quantised_image(tmp_path: Path) -> None:
    images = random_images()
    images[0, 0, 0, :3] = torch.tensor([0.5, 1 / 255, 127.5 / 255])
    saved = []
    for index, image in enumerate(images):
        path = tmp_path / f"{index}.png"
        save_png(image, path)
        saved.append(to_tensor(load_image(path)))
    exact = quantise(images)
    assert torch.equal(torch.cat(saved), exact)
    assert torch.equal(quantise(exact), exact)
    assert exact.dtype == torch.float32
    assert linf(exact, images.clamp(0, 1)).max() <= 0.5 / 255 + 1e-7


def test_quantise_detaches_and_leaves_its_argument() -> None:
    images = random_images().requires_grad_()
    before = images.detach().clone()
    assert not quantise(images).requires_grad
    assert torch.equal(images.detach(), before)


@pytest.mark.parametrize("eps", [0.0, 1 / 255, 8 / 255, 0.031, 0.9 / 255, 1.0])
def test_linf_budget_holds_after_saving(eps: float) -> None:
    original = quantise(random_images(1))
    for seed, reach in ((2, 1.0), (3, 3.0)):
        noise = random_images(seed, spread=2.0) - 0.5
        images = (original + reach * eps * noise.sign() * (noise.abs() * 4).clamp(max=1)).clamp(0, 1)
        saved = quantise_within(images, original, eps)
        assert (linf(saved, original) <= eps + 1e-6).all()
        assert torch.equal(quantise(saved), saved)


def test_linf_rounding_by_hand() -> None:
    original = torch.full((2, 3, 2, 4), 100 / 255)
    images = torch.full((2, 3, 2, 4), 102.6 / 255)
    images[1] = 97.4 / 255
    for eps, levels in ((2.6 / 255, (102, 98)), (3 / 255, (103, 97)), (2 / 255, (102, 98)), (0, (100, 100))):
        saved = to_uint8(quantise_within(images, original[:1], eps))
        assert (saved[0] == levels[0]).all()
        assert (saved[1] == levels[1]).all()
    between = torch.full((1, 3, 2, 4), 100.4 / 255)  # no level within 0.1 of a level: the nearest one
    assert (to_uint8(quantise_within(images, between, 0.1 / 255)) == 100).all()


@pytest.mark.slow
def test_a_budget_of_whole_levels_counts_as_whole_however_it_is_rounded() -> None:
    original = torch.zeros(1, 3, 2, 4)
    images = torch.ones(1, 3, 2, 4)
    for level in range(256):
        for eps in (level / 255, round(level / 255, 8), float(np.float32(level / 255))):
            assert (to_uint8(quantise_within(images, original, eps)) == level).all()


@pytest.mark.parametrize("eps", [0.0, 0.02, 0.1, 0.5, 3.0])
def test_l2_budget_holds_after_saving_and_little_is_lost(eps: float) -> None:
    original = quantise(random_images(4))
    for seed, length in ((5, 1.0), (6, 2.5), (7, 0.3)):
        direction = random_images(seed) - 0.5
        direction = direction / torch.linalg.vector_norm(direction.flatten(1), dim=1).view(-1, 1, 1, 1)
        images = (original + eps * length * direction).clamp(0, 1)
        saved = quantise_within(images, original, eps, norm="l2")
        assert (l2(saved, original) <= eps + 1e-6).all()
        assert torch.equal(quantise(saved), saved)
        if length < 1 and eps == 3.0:  # far inside: nothing but plain rounding
            assert torch.equal(saved, quantise(images))


def test_l2_rounding_turns_only_what_it_must() -> None:
    original = torch.zeros(2, 3, 1, 2)
    images = torch.zeros(2, 3, 1, 2)
    images[:, 0, 0, 0] = 3.5 / 255  # rounds to 4
    images[:, 1, 0, 1] = 2.9 / 255  # rounds to 3; 4^2 + 3^2 = 25
    images[1, 2, 0, 0] = 1.6 / 255  # rounds to 2; 25 + 4 = 29
    saved = to_uint8(quantise_within(images, original, 5 / 255, norm="l2"))
    assert (saved[0, 0, 0, 0], saved[0, 0, 1, 1]) == (4, 3)
    assert (saved[1, 0, 0, 0], saved[1, 0, 1, 1], saved[1, 0, 0, 2]) == (3, 3, 2)  # 3.5 loses least: 22 <= 25


def test_budget_rounding_refuses_nonsense() -> None:
    images = random_images()
    for eps in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ImageError, match="eps"):
            quantise_within(images, images, eps)
    for original in (images[..., :-1], images.repeat(2, 1, 1, 1), images[0]):
        with pytest.raises(ImageError, match="same size"):
            quantise_within(images, original, 0.1)
