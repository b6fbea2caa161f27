"""The batched stack against the protocol written out literally, against hand-computed cases, and its draws."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from benchmarks.suite.plain_stack import plain_stack
from robust_model.networks.ensemble import FreshNoise, FrozenNoise, SilentNoise
from robust_model.networks.stack import STACKS, MultiResolutionStack, StackConfig, StackDraws

ODD = StackConfig(size=12, resolutions=(12, 7, 5, 1), max_shift=2, noise_low=0.1, contrast=(0.2, 0.9))
CONFIGS = {**STACKS, "odd": ODD, "odd bicubic": ODD.model_copy(update={"down": "bicubic", "up": "bicubic"})}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(batch: int, side: int, seed: int = 1) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=rng(seed))


def quiet(config: StackConfig, batch: int = 2) -> StackDraws:
    """No shift, no blend, no noise."""
    views = len(config.resolutions)
    shifts = torch.zeros(batch, views, 2, dtype=torch.long)
    return StackDraws(shifts, torch.ones(batch, views), torch.ones(batch, views), None, None)


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_the_literal_protocol(name: str) -> None:
    config = CONFIGS[name]
    stack = MultiResolutionStack(config)
    for seed in range(3):
        images, draws = pictures(5, config.size, seed), stack.sample(5, rng(seed))
        found, expected = stack(images, draws), plain_stack(images, config, draws)
        assert found.shape == (5, config.channels, config.size, config.size)
        assert (found - expected).abs().max() < 1e-5
    centre = stack.centre(5)
    assert (stack(images, centre) - plain_stack(images, config, centre)).abs().max() < 1e-5


def test_paper_preset_is_what_the_notebook_runs() -> None:
    config = STACKS["paper"]
    assert (config.size, config.resolutions, config.channels, config.max_shift) == (32, (32, 16, 8, 4), 12, 3)
    assert (config.noise, config.noise_low, config.noise_high) == ("uniform", 0.2, 0.2)
    assert (config.contrast, config.grey, config.levels, config.shared_factor) == ((0.5, 1), (0.5, 1), 100, True)
    assert (config.down, config.up) == ("bicubic", "bicubic")


# --- by hand

SQUARE = torch.tensor([[0.0, 0.4], [0.6, 1.0]]).expand(2, 3, 2, 2)


def test_one_cell_is_the_mean() -> None:
    config = StackConfig(size=2, resolutions=(1, 2))
    found = MultiResolutionStack(config)(SQUARE, quiet(config))
    assert torch.allclose(found[:, :3], torch.full((2, 3, 2, 2), 0.5))
    assert torch.allclose(found[:, 3:], SQUARE)


def test_bilinear_enlargement_by_two() -> None:
    # Rows of 2 cells a, b enlarged to 4: a, (3a + b) / 4, (a + 3b) / 4, b.
    config = StackConfig(size=4, resolutions=(2,))
    image = torch.tensor([0.0, 0.0, 0.8, 0.8]).expand(2, 3, 4, 4)
    found = MultiResolutionStack(config)(image, quiet(config))
    assert torch.allclose(found, torch.tensor([0.0, 0.2, 0.6, 0.8]).expand(2, 3, 4, 4))


def test_shift_moves_down_and_right_and_wraps() -> None:
    config = StackConfig(size=4, resolutions=(4,), max_shift=1)
    image = torch.zeros(2, 3, 4, 4)
    image[:, :, 3, 1] = 1
    draws = replace(quiet(config), shifts=torch.tensor([[[1, 0]], [[0, 1]]]))
    found = MultiResolutionStack(config)(image, draws)
    assert torch.equal(found[0].nonzero()[:, 1:].unique(dim=0), torch.tensor([[0, 1]]))  # below the last row: the first
    assert torch.equal(found[1].nonzero()[:, 1:].unique(dim=0), torch.tensor([[3, 2]]))


def test_contrast_then_grey_mix() -> None:
    # Red 0.8, green 0.4, blue 0, everywhere: luma 0.2989 * 0.8 + 0.587 * 0.4 = 0.47392. Contrast 0.5:
    # (0.63696, 0.43696, 0.23696), of mean 0.43696. Grey mix 0.25: 0.25 * that + 0.75 * 0.43696.
    config = StackConfig(size=2, resolutions=(1,), contrast=(0.5, 1), grey=(0, 1))
    image = torch.tensor([0.8, 0.4, 0.0])[:, None, None].expand(2, 3, 2, 2)
    draws = replace(quiet(config), contrast=torch.full((2, 1), 0.5), grey=torch.full((2, 1), 0.25))
    found = MultiResolutionStack(config)(image, draws)
    assert torch.allclose(found[:, :, 0, 1], torch.tensor([0.48696, 0.43696, 0.38696]).expand(2, 3), atol=1e-6)


def test_noise_is_added_low_and_high_and_clipped() -> None:
    config = StackConfig(size=2, resolutions=(1,), noise_low=1, noise_high=1)
    high = torch.zeros(2, 1, 3, 2, 2)
    high[0, 0, 0, 0, 1], high[0, 0, 1, 0, 0] = -5, 5
    low = (torch.tensor([0.1, -0.1])[:, None, None, None].expand(2, 3, 1, 1),)
    found = MultiResolutionStack(config)(SQUARE, replace(quiet(config), low=low, high=high))
    expected = torch.full((2, 3, 2, 2), 0.6)
    expected[1] = 0.4
    expected[0, 0, 0, 1], expected[0, 1, 0, 0] = 0, 1
    assert torch.allclose(found, expected)


# --- draws


@pytest.mark.slow
def test_distributions_of_the_paper_preset() -> None:
    stack = MultiResolutionStack(STACKS["paper"])
    draws = stack.sample(2000, rng())
    counts = torch.bincount(draws.shifts.flatten() + 3)
    assert len(counts) == 7
    assert (counts / counts.sum() - 1 / 7).abs().max() < 0.01
    assert draws.shifts.float().mean((0, 1)).abs().max() < 0.1
    rows, columns = draws.shifts.float().flatten(0, 1).T
    assert torch.corrcoef(torch.stack([rows, columns]))[0, 1].abs() < 0.05

    values = draws.contrast.unique()
    assert len(values) == 100
    assert torch.allclose(values, torch.linspace(0.5, 1, 100), atol=1e-6)
    assert torch.bincount(((draws.contrast.flatten() - 0.5) * 198).round().long()).float().std() < 15  # 80 each
    assert torch.equal(draws.contrast, draws.grey)
    assert not torch.equal(draws.contrast[:, 0], draws.contrast[:, 1])

    assert draws.low is not None
    assert draws.high is not None
    for noise, amplitude in ((draws.high, 0.2), (torch.cat([n.flatten() for n in draws.low]), 0.2)):
        assert noise.min() >= 0
        assert noise.max() < amplitude
        assert abs(float(noise.mean()) - 0.1) < 1e-3
        assert abs(float(noise.std()) - 0.2 / 12**0.5) < 1e-3
    assert [tuple(n.shape) for n in draws.low] == [(2000, 3, r, r) for r in (32, 16, 8, 4)]


def test_distributions_of_the_clean_preset() -> None:
    draws = MultiResolutionStack(STACKS["clean"]).sample(500, rng())
    assert draws.shifts.unique().tolist() == [-1, 0, 1]
    assert draws.contrast.unique().tolist() == draws.grey.unique().tolist() == [1.0]
    assert draws.high is not None
    assert abs(float(draws.high.mean())) < 1e-4
    assert abs(float(draws.high.std()) - 0.02) < 1e-4


def test_factors_without_levels_are_continuous_and_independent() -> None:
    config = StackConfig(size=4, resolutions=(4,), contrast=(0.2, 0.6), grey=(0.5, 1))
    draws = MultiResolutionStack(config).sample(3000, rng())
    assert len(draws.contrast.unique()) > 2900
    assert abs(float(draws.contrast.mean()) - 0.4) < 0.01
    assert abs(float(draws.grey.mean()) - 0.75) < 0.01
    assert torch.corrcoef(torch.stack([draws.contrast[:, 0], draws.grey[:, 0]]))[0, 1].abs() < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_centre_is_the_mean_of_the_draws(name: str) -> None:
    stack = MultiResolutionStack(CONFIGS[name])
    centre, draws = stack.centre(2), stack.sample(3000, rng())
    assert torch.equal(centre.shifts, torch.zeros_like(centre.shifts))
    assert torch.allclose(draws.contrast.mean(0), centre.contrast[0], atol=0.02)
    assert torch.allclose(draws.grey.mean(0), centre.grey[0], atol=0.02)
    for sampled, fixed in ((draws.high, centre.high), ((draws.low or [None])[0], (centre.low or [None])[0])):
        level = 0.0 if fixed is None else float(fixed.mean())
        assert abs((0.0 if sampled is None else float(sampled.mean())) - level) < 1e-3


def test_random_says_whether_passes_differ() -> None:
    for name, config in CONFIGS.items():
        stack = MultiResolutionStack(config)
        images, generator = pictures(2, config.size), rng()
        first, second = (stack(images, stack.sample(2, generator)) for _ in range(2))
        assert config.random == (not torch.equal(first, second)), name


def equal(a: StackDraws, b: StackDraws) -> bool:
    pairs = [(a.shifts, b.shifts), (a.contrast, b.contrast), (a.grey, b.grey), (a.high, b.high)]
    pairs += list(zip(a.low or (), b.low or (), strict=True))
    return all(torch.equal(x, y) if x is not None and y is not None else x is y for x, y in pairs)


def part(draws: StackDraws, at: slice) -> StackDraws:
    low = None if draws.low is None else tuple(n[at] for n in draws.low)
    return StackDraws(
        draws.shifts[at], draws.contrast[at], draws.grey[at], low, None if draws.high is None else draws.high[at]
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_noise_sources(name: str) -> None:
    stack = MultiResolutionStack(CONFIGS[name])
    random = CONFIGS[name].random
    assert equal(SilentNoise()(stack, 3), stack.centre(3))

    fresh = FreshNoise(rng(5))
    first, second = fresh(stack, 3), fresh(stack, 3)
    assert equal(first, FreshNoise(rng(5))(stack, 3))
    assert equal(first, second) == (not random)

    frozen = FrozenNoise(7)(stack, 4)
    assert equal(frozen, FrozenNoise(7)(stack, 4))
    assert equal(frozen, FrozenNoise(8)(stack, 4)) == (not random)
    assert equal(part(frozen, slice(0, 3)), FrozenNoise(7)(stack, 3))  # image i's draw, whatever the batch's size
    assert equal(part(frozen, slice(0, 1)), part(frozen, slice(1, 2))) == (not random)

    for shared in (FrozenNoise(7, shared=True)(stack, 3), FreshNoise(rng(), shared=True)(stack, 3)):
        assert equal(part(shared, slice(0, 1)), part(shared, slice(2, 3)))
        images = pictures(1, stack.config.size).expand(3, -1, -1, -1)
        views = stack(images, shared)
        assert torch.allclose(views[0], views[2], atol=1e-6)


def test_global_generator_is_untouched() -> None:
    before = torch.get_rng_state()
    stack = MultiResolutionStack(STACKS["paper"])
    stack(pictures(2, 32), stack.sample(2, rng()))
    FrozenNoise(3)(stack, 2)
    assert torch.equal(before, torch.get_rng_state())


# --- as a function of the images


@pytest.mark.parametrize("name", CONFIGS)
def test_images_are_not_written_to(name: str) -> None:
    stack = MultiResolutionStack(CONFIGS[name])
    images, draws = pictures(2, stack.config.size), stack.sample(2, rng())
    before, high = images.clone(), None if draws.high is None else draws.high.clone()
    stack(images, draws)
    assert torch.equal(images, before)
    assert high is None or (draws.high is not None and torch.equal(draws.high, high))


@pytest.mark.parametrize("name", CONFIGS)
def test_images_do_not_meet(name: str) -> None:
    stack = MultiResolutionStack(CONFIGS[name])
    images, draws = pictures(4, stack.config.size), stack.sample(4, rng())
    whole = stack(images, draws)
    for i in range(4):
        alone = stack(images[i : i + 1], part(draws, slice(i, i + 1)))
        assert torch.allclose(alone[0], whole[i], atol=1e-6)
    assert stack(images[:0], part(draws, slice(0, 0))).shape == (0, *whole.shape[1:])
    changed = images.clone()
    changed[2] = 1 - changed[2]
    moved = (stack(changed, draws) - whole).abs().amax((1, 2, 3))
    assert (moved > 1e-4).tolist() == [False, False, True, False]


@pytest.mark.parametrize("name", ["paper", "clean", "odd"])
def test_gradient_is_the_slope(name: str) -> None:
    config = CONFIGS[name]
    stack = MultiResolutionStack(config)
    # Far from 0 and 1 before the noise: with the noise at half strength nothing is clipped, and slopes are exact.
    images = (0.3 + 0.2 * pictures(2, config.size)).requires_grad_()
    draws = stack.sample(2, rng())
    draws = replace(draws, high=None if draws.high is None else draws.high / 2)
    weights = torch.randn(2, config.channels, config.size, config.size, generator=rng(3))
    direction = torch.randn(images.shape, generator=rng(4))

    def score(x: Tensor) -> Tensor:
        return (stack(x, draws).double() * weights).sum()

    (gradient,) = torch.autograd.grad(score(images), images)
    step = 1e-2
    with torch.no_grad():
        slope = (score(images + step * direction) - score(images - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-3, abs=1e-2)
    assert float(gradient.abs().max()) > 0


def test_float32_under_autocast_and_for_other_dtypes() -> None:
    stack = MultiResolutionStack(STACKS["paper"])
    images, draws = pictures(2, 32), stack.sample(2, rng())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(stack(images, draws), stack(images, draws).float())
        found = stack(images, draws)
    assert found.dtype == torch.float32
    assert torch.equal(found, stack(images, draws))
    assert stack(images.double(), draws).dtype == torch.float32


@pytest.mark.parametrize("shape", [(2, 3, 32, 31), (2, 3, 16, 32), (2, 1, 32, 32), (3, 32, 32), (2, 3, 2, 32, 32)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    stack = MultiResolutionStack(STACKS["clean"])
    with pytest.raises(ValueError, match=r"takes \[B, 3, 32, 32\]"):
        stack(torch.zeros(shape), stack.centre(2))


def test_draws_for_another_batch_are_refused() -> None:
    stack = MultiResolutionStack(STACKS["clean"])
    with pytest.raises(ValueError, match="2 images need as many draws, not 1"):
        stack(torch.zeros(2, 3, 32, 32), stack.centre(1))


def test_nothing_of_the_stack_is_in_the_state() -> None:
    assert MultiResolutionStack(STACKS["paper"]).state_dict() == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"resolutions": ()}, "resolutions must be"),
        ({"resolutions": (33,)}, "between 1 and the size, 32"),
        ({"resolutions": (0, 4)}, "resolutions must be"),
        ({"contrast": (0.9, 0.5)}, "ranges inside"),
        ({"grey": (0.5, 1.2)}, "ranges inside"),
        ({"levels": 1}, "levels must be"),
        ({"noise_low": -0.1}, "greater than or equal"),
        ({"colour": 1}, "Extra inputs"),
    ],
)
def test_configuration_errors(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        StackConfig.model_validate(settings)


def test_configuration_survives_json() -> None:
    for config in CONFIGS.values():
        assert StackConfig.model_validate_json(config.model_dump_json()) == config
