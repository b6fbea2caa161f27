"""Preprocessing of tensors against open_clip's own, which works on Pillow's pictures."""

import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2

from foundation.errors import StudioError
from foundation.images.files import to_pil
from generator.encoders.preprocess import INTERPOLATIONS, RESIZE_MODES, Preprocess

MEAN, STD = (0.48, 0.45, 0.40), (0.26, 0.27, 0.28)
TOLERANCE = 1.5 / 255  # Pillow rounds to 8 bit after each of its two passes, with weights that sum to at most 1.3
SIZES = [(32, 32), (90, 121), (121, 90), (20, 33), (33, 20), (32, 57), (31, 70), (200, 35)]


def pictures(height: int, width: int) -> torch.Tensor:
    """Two pictures of 8-bit values: noise, and hard black and white edges, which overshoot."""
    rng = torch.Generator().manual_seed(height * 1000 + width)
    noise = torch.rand(3, height, width, generator=rng)
    edges = (torch.rand(3, height, width, generator=rng) > 0.5).float()
    return (torch.stack([noise, edges]) * 255).round() / 255


@pytest.mark.parametrize("resize_mode", RESIZE_MODES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("target", [32, (32, 32), (32, 40), (40, 24)])
def test_equals_open_clip_on_pictures_larger_and_smaller(
    resize_mode: str, interpolation: str, target: int | tuple[int, int]
) -> None:
    config = PreprocessCfg(
        size=target, mean=MEAN, std=STD, interpolation=interpolation, resize_mode=resize_mode, fill_color=51
    )
    theirs = image_transform_v2(config, is_train=False)
    ours = Preprocess.from_config(vars(config))
    for height, width in SIZES:
        images = pictures(height, width)
        expected = torch.stack([theirs(picture) for picture in to_pil(images)])
        got = ours(images)
        assert got.shape == expected.shape
        error = (got - expected) * torch.tensor(STD).view(1, 3, 1, 1)
        assert error.abs().max() <= TOLERANCE, (height, width)


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    images = pictures(6, 9)
    got = Preprocess((6, 9), (0.5, 0.0, 0.25), (0.5, 1.0, 2.0))(images)
    expected = torch.stack([(images[:, 0] - 0.5) / 0.5, images[:, 1], (images[:, 2] - 0.25) / 2], dim=1)
    assert torch.equal(got, expected)


def test_a_larger_square_view_is_cropped_in_the_middle() -> None:
    images = torch.arange(2 * 3 * 4 * 9, dtype=torch.float32).view(2, 3, 4, 9) / 300
    got = Preprocess(4, (0.0,) * 3, (1.0,) * 3)(images)
    assert torch.equal(got, images[..., 2:6])  # (9 - 4) / 2 = 2.5 is rounded to the even 2


def test_what_longest_leaves_free_is_filled() -> None:
    images = torch.ones(2, 3, 8, 16)
    got = Preprocess(8, (0.0,) * 3, (1.0,) * 3, resize_mode="longest", fill=0.25)(images)
    assert torch.equal(got[:, :, :2], torch.full((2, 3, 2, 8), 0.25))
    assert torch.equal(got[:, :, 6:], torch.full((2, 3, 2, 8), 0.25))
    assert torch.allclose(got[:, :, 2:6], torch.ones(2, 3, 4, 8))


def test_gradient_is_that_of_differences() -> None:
    preprocess = Preprocess((5, 7), MEAN, STD).double()
    rng = torch.Generator().manual_seed(3)
    images = 0.3 + 0.4 * torch.rand(2, 3, 9, 8, generator=rng, dtype=torch.float64)
    assert torch.autograd.gradcheck(preprocess, images.requires_grad_())


@pytest.mark.parametrize(
    "wrong",
    [
        {"resize_mode": "stretch"},
        {"interpolation": "nearest"},
        {"mean": "grey"},
        {"mean": [0.5]},
        {"size": []},
        {"fill_color": "black"},
    ],
)
def test_configurations_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(StudioError):
        Preprocess.from_config({**vars(PreprocessCfg()), **wrong})
