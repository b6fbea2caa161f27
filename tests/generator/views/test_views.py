import io
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foundation.errors import StudioError
from generator.views.jpeg import jpeg, quantisation_tables
from generator.views.registry import (
    VIEWS,
    Blur,
    Compose,
    GaussianNoise,
    HorizontalFlip,
    Identity,
    Jpeg,
    OneOf,
    RandomCrop,
    RandomWindow,
    Resize,
    Roll,
    Shift,
    UniformNoise,
    parse_views,
)
from generator.views.transfer import DiverseInput, ScaleCopies, ShuffledBlocks, TranslationInvariance
from tests.generator.views.written import written


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(batch: int = 3, height: int = 21, width: int = 37, seed: int = 5) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=rng(seed))


COPIES = {"si": 5}


@pytest.mark.parametrize("name", VIEWS)
class TestEveryView:
    def test_keeps_rank_type_batch_and_channels(self, name: str) -> None:
        result = VIEWS[name]()(pictures(), rng())
        assert result.dtype == torch.float32
        assert result.ndim == 4 and result.shape[:2] == (3 * COPIES.get(name, 1), 3)

    def test_has_a_finite_gradient_for_every_image(self, name: str) -> None:
        images = pictures().requires_grad_()
        VIEWS[name]()(images, rng()).square().sum().backward()
        assert images.grad is not None and images.grad.isfinite().all()
        assert (images.grad.flatten(1).norm(dim=1) > 0).all()

    def test_same_seed_gives_the_same_bits(self, name: str) -> None:
        view = VIEWS[name]()
        assert torch.equal(view(pictures(), rng(3)), view(pictures(), rng(3)))

    def test_leaves_the_global_generator_and_its_input_alone(self, name: str) -> None:
        images, before = pictures(), torch.get_rng_state()
        copy = images.clone()
        VIEWS[name]()(images, rng())
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(images, copy)

    def test_text_form_is_read_back(self, name: str) -> None:
        view = Compose((VIEWS[name](),))
        assert parse_views(written(view)) == view
        assert parse_views(name) == view  # the bare name means the defaults

    def test_refuses_nonsense_and_says_where(self, name: str) -> None:
        with pytest.raises(StudioError, match=rf"part 2 \('{name}:soup'\)"):
            parse_views(f"identity | {name}:soup")

    def test_single_pixel(self, name: str) -> None:
        assert VIEWS[name]()(pictures(2, 1, 1), rng()).shape == (2 * COPIES.get(name, 1), 3, 1, 1)


def test_crop_cuts_windows_of_the_image() -> None:
    images = torch.arange(2 * 3 * 8 * 12, dtype=torch.float32).view(2, 3, 8, 12)
    result = RandomCrop(0.5, 0.5)(images, rng())
    assert result.shape == (2, 3, 4, 6)
    for image, window in zip(images, result, strict=True):
        top, left = divmod(int(window[0, 0, 0] - image[0, 0, 0]), 12)
        assert torch.equal(window, image[:, top : top + 4, left : left + 6])


def test_crop_reaches_every_position_and_draws_for_each_image() -> None:
    images = torch.arange(6.0).view(1, 1, 1, 6).expand(400, 3, 4, 6).contiguous()
    lefts = RandomCrop(0.5, 0.5)(images, rng())[:, 0, 0, 0]
    assert set(lefts.tolist()) == {0.0, 1.0, 2.0, 3.0}


def test_windows_have_their_pixels_whatever_the_canvas() -> None:
    images = torch.arange(2 * 3 * 9 * 14, dtype=torch.float32).view(2, 3, 9, 14)
    result = RandomWindow(5)(images, rng())
    assert result.shape == (2, 3, 5, 5)
    for image, window in zip(images, result, strict=True):
        top, left = divmod(int(window[0, 0, 0] - image[0, 0, 0]), 14)
        assert torch.equal(window, image[:, top : top + 5, left : left + 5])
    assert RandomWindow(11)(images, rng()).shape == (2, 3, 9, 11)  # the whole height, which is less
    for whole in RandomWindow(14), RandomWindow(100):
        assert torch.equal(whole(images, rng()), images)


@pytest.mark.parametrize(("wrap", "places"), [(False, 4 * 2), (True, 7 * 5)])
def test_windows_reach_every_place_and_draw_for_each_image(wrap: bool, places: int) -> None:
    image = torch.arange(35.0).view(1, 1, 7, 5).expand(600, 3, 7, 5)
    windows = RandomWindow(4, wrap)(image, rng())
    assert len(set(windows[:, 0, 0, 0].tolist())) == places


def test_windows_round_the_edge_are_those_of_a_picture_that_goes_on() -> None:
    images = pictures(40, 6, 7)
    tiled = images.repeat(1, 1, 2, 2)
    beyond = 0
    for one, window in zip(tiled, RandomWindow(4, wrap=True)(images, rng()), strict=True):
        found = [
            (top, left)
            for top in range(6)
            for left in range(7)
            if torch.equal(one[:, top : top + 4, left : left + 4], window)
        ]
        assert len(found) == 1
        beyond += found[0][0] > 2 or found[0][1] > 3
    assert beyond > 10


def test_what_follows_a_window_handles_the_window_only() -> None:
    images = torch.rand(2, 3, 300, 400, generator=rng(1))
    used, expected = rng(), rng()
    seen = Compose((RandomWindow(8), UniformNoise(0.2)))(images, used)
    assert seen.shape == (2, 3, 8, 8) and seen.untyped_storage().nbytes() == 4 * seen.numel()
    RandomWindow(8)(images, expected)
    torch.rand(2, 3, 8, 8, generator=expected)
    assert torch.equal(used.get_state(), expected.get_state())


def test_roll_reaches_every_distance_for_each_image() -> None:
    images = pictures(300, 4, 5)
    seen = set()
    for image, rolled in zip(images, Roll()(images, rng()), strict=True):
        found = [(y, x) for y in range(4) for x in range(5) if torch.equal(torch.roll(image, (y, x), (1, 2)), rolled)]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) == 20


def test_full_crop_is_the_image() -> None:
    assert torch.equal(RandomCrop(1, 1)(pictures(), rng()), pictures())


def test_circular_shift_is_a_roll_of_each_image() -> None:
    images = pictures(40, 7, 9)
    seen = set()
    for image, shifted in zip(images, Shift(2)(images, rng()), strict=True):
        found = [
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if torch.equal(torch.roll(image, (y, x), (1, 2)), shifted)
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 15  # of 25 possible ones


def test_padded_shift_brings_in_black() -> None:
    images = torch.ones(60, 3, 5, 7)
    result = Shift(3, pad=True)(images, rng())
    black = (result == 0).sum(dim=(1, 2, 3))
    assert set(result.unique().tolist()) == {0.0, 1.0}
    assert black.max() == 3 * (5 * 7 - 2 * 4)  # by (3, 3): 2 x 4 pixels of the image stay in sight
    assert black.float().std() > 0


def test_shift_by_more_than_the_image_keeps_something_of_it() -> None:
    assert (Shift(100, pad=True)(torch.ones(50, 3, 4, 6), rng()).amax(dim=(1, 2, 3)) == 1).all()


def test_noise_has_the_stated_distribution() -> None:
    flat = torch.full((2, 3, 200, 300), 0.5)
    normal = GaussianNoise(0.1)(flat, rng()) - 0.5
    assert abs(normal.std().item() - 0.1) < 1e-3 and abs(normal.mean().item()) < 1e-3
    uniform = UniformNoise(0.2)(flat, rng()) - 0.5
    assert uniform.min() >= 0 and uniform.max() < 0.2 + 1e-6 and abs(uniform.mean().item() - 0.1) < 1e-3
    assert not torch.equal(normal[0], normal[1])


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = pictures(200, 2, 5)
    result = HorizontalFlip(0.5)(images, rng())
    mirrored = sum(torch.equal(a.flip(-1), b) for a, b in zip(images, result, strict=True))
    same = sum(torch.equal(a, b) for a, b in zip(images, result, strict=True))
    assert mirrored + same == 200 and 70 < mirrored < 130
    assert torch.equal(HorizontalFlip(1)(images, rng()), images.flip(-1))
    assert torch.equal(HorizontalFlip(0)(images, rng()), images)


def test_resize_keeps_the_aspect_and_a_flat_image_flat() -> None:
    result = Resize(0.5, 0.5)(torch.full((2, 3, 20, 30), 0.25), rng())
    assert result.shape == (2, 3, 10, 15)
    assert torch.allclose(result, torch.tensor(0.25))


def test_blur_of_a_point_is_a_gaussian_and_keeps_the_sum() -> None:
    point = torch.zeros(2, 3, 21, 31)
    point[:, :, 10, 15] = 1
    result = Blur(1.5, 1.5)(point, rng())
    assert torch.allclose(result.sum(dim=(2, 3)), torch.ones(2, 3), atol=1e-5)
    ratio = result[0, 0, 10, 17] / result[0, 0, 10, 15]
    assert ratio.item() == pytest.approx(np.exp(-(2**2) / (2 * 1.5**2)), rel=1e-4)
    assert torch.equal(Blur(0, 0)(point, rng()), point)


class TestJpeg:
    @staticmethod
    def photo(height: int, width: int) -> np.ndarray:
        y, x = np.mgrid[0:height, 0:width]
        waves = [128 + 90 * np.sin(x / (4 + c)) * np.cos(y / (7 - c)) for c in range(3)]
        return np.stack(waves, axis=-1).round().astype(np.uint8)

    @pytest.mark.parametrize("quality", [10, 50, 75, 95])
    @pytest.mark.parametrize("size", [(40, 64), (37, 51)])
    def test_agrees_with_a_real_codec(self, quality: int, size: tuple[int, int]) -> None:
        photo = self.photo(*size)
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=quality, subsampling=0)
        real = np.asarray(Image.open(buffer)).astype(float)
        images = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        ours = jpeg(images.repeat(2, 1, 1, 1), torch.tensor([quality, 100]))
        difference = np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - real)
        assert ours.shape == (2, 3, *size)
        assert difference.mean() < 0.6  # a real one also rounds its result to 8 bits
        assert np.quantile(difference, 0.95) < 2
        assert (ours[1] - images[0]).abs().max() < 6 / 255  # quality 100 is nearly lossless

    @pytest.mark.parametrize("size", [(40, 64), (37, 51)])
    def test_subsampling_agrees_with_a_real_codec(self, size: tuple[int, int]) -> None:
        photo = self.photo(*size)
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=90, subsampling=2)
        real = np.asarray(Image.open(buffer)).astype(float)
        images = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        ours = jpeg(images, torch.tensor([90]), subsample=True)[0].permute(1, 2, 0).numpy() * 255
        full = jpeg(images, torch.tensor([90]))[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(ours - real).mean() < 0.7 * np.abs(full - real).mean()

    def test_tables_are_those_of_the_reference_encoder(self) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=30)
        written = Image.open(buffer).quantization
        tables = quantisation_tables(torch.tensor([30, 90]))
        assert tables.shape == (2, 3, 8, 8)
        assert sorted(tables[0, 0].flatten().tolist()) == sorted(written[0])
        assert sorted(tables[0, 1].flatten().tolist()) == sorted(written[1])

    def test_a_batch_equals_its_images_and_drifts_little_when_repeated(self) -> None:
        images, qualities = pictures(2), torch.tensor([30, 80])
        both = jpeg(images, qualities)
        for i in range(2):
            assert torch.allclose(both[i : i + 1], jpeg(images[i : i + 1], qualities[i : i + 1]), atol=1e-6)
        assert not torch.allclose(both, images, atol=0.02)

    def test_gradient_passes_straight_through(self) -> None:
        images = (0.25 + pictures(2) / 2).requires_grad_()
        weights = torch.rand(images.shape, generator=rng(1))
        (jpeg(images, torch.tensor([20, 90])) * weights).sum().backward()
        # without its rounding the codec is the identity
        assert torch.allclose(images.grad, weights, atol=1e-4)

    def test_quality_is_drawn_for_each_image(self) -> None:
        same = pictures(1).expand(8, -1, -1, -1)
        assert len({tuple(image.flatten().tolist()) for image in Jpeg(10, 90)(same, rng())}) > 3


class TestText:
    def test_reads_a_chain_in_order(self) -> None:
        assert parse_views("window:224 | uniform:0.2").views == (RandomWindow(224), UniformNoise(0.2))
        assert written(Compose((RandomWindow(96, wrap=True), Roll()))) == "window:96:wrap | roll"
        text = " crop:0.8-1.0|noise:0.05 | flip:0.5 | jpeg:60-95 | shift:4:pad| jpeg:75:420 "
        views = parse_views(text)
        assert views.views == (
            RandomCrop(0.8, 1.0),
            GaussianNoise(0.05),
            HorizontalFlip(0.5),
            Jpeg(60, 95),
            Shift(4, pad=True),
            Jpeg(75, 75, subsample=True),
        )
        assert written(views) == "crop:0.8-1 | noise:0.05 | flip:0.5 | jpeg:60-95 | shift:4:pad | jpeg:75:420"

    def test_nothing_means_no_change(self) -> None:
        assert parse_views("  ") == Compose()
        assert written(Compose()) == ""
        assert torch.equal(Compose()(pictures(), rng()), pictures())
        assert parse_views("identity").views == (Identity(),)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("crop:0.8 | wobble:3", r"part 2 \('wobble:3'\): there is no view 'wobble'\. Choose from crop, "),
            ("crop:0.8 |", r"part 2 \(''\)"),
            ("crop:1-0.8", r"between 0\.05 and 1, the smaller one first; it is 1 to 0\.8"),
            ("crop:0", r"between 0\.05 and 1"),
            ("crop:nan", "not a number or a range"),
            ("noise:-1", "'-1' is not a number"),
            ("noise:1e9", "between 0 and 10"),
            ("noise:0.1-0.2", "not a number such as"),
            ("jpeg:60-", "not a whole number"),
            ("jpeg:0-95", "between 1 and 100"),
            ("jpeg:80:444", "write 420"),
            ("shift:2:sideways", "write pad"),
            ("shift:1.5", "not a whole number"),
            ("flip:2", "between 0 and 1"),
            ("identity:1", "takes nothing"),
            ("roll:4", "takes nothing"),
            ("window:0", "between 1 and 16384"),
            ("window:2.5", "not a whole number"),
            ("window:224:round", "write wrap"),
        ],
    )
    def test_errors_are_sentences_that_name_the_place(self, text: str, says: str) -> None:
        with pytest.raises(StudioError, match=says):
            parse_views(text)

    @given(
        st.lists(
            st.one_of(
                st.builds(GaussianNoise, st.floats(0, 10)),
                st.builds(HorizontalFlip, st.floats(0, 1)),
                st.tuples(st.floats(0, 5), st.floats(5, 64)).map(lambda ends: Blur(*ends)),
                st.builds(DiverseInput, st.floats(0, 1), st.floats(0.1, 4)),
                st.builds(TranslationInvariance, st.integers(0, 64)),
                st.builds(ScaleCopies, st.integers(1, 16)),
                st.builds(ShuffledBlocks, st.integers(1, 8)),
                st.lists(st.sampled_from([Blur(), Roll(), Jpeg(3, 50)]), min_size=2, max_size=3).map(
                    lambda views: OneOf(tuple(views))
                ),
                st.builds(Shift, st.integers(0, 100), st.booleans()),
                st.builds(RandomWindow, st.integers(1, 5000), st.booleans()),
                st.builds(Roll),
                st.lists(st.floats(0.05, 1), min_size=2, max_size=2).map(lambda ends: RandomCrop(*sorted(ends))),
                st.tuples(st.integers(1, 50), st.integers(50, 100), st.booleans()).map(lambda a: Jpeg(*a)),
            ),
            max_size=4,
        )
    )
    def test_any_chain_survives_being_written_and_read(self, views: list[GaussianNoise]) -> None:
        chain = Compose(tuple(views))
        assert parse_views(written(chain)) == chain


def test_a_crop_of_a_large_batch_is_fast() -> None:
    images = torch.zeros(32, 3, 224, 224, requires_grad=True)
    start = time.perf_counter()
    RandomCrop(0.8, 0.9)(images, rng()).sum().backward()
    assert time.perf_counter() - start < 2
