"""K of a large canvas at two scales: bands and splines by hand, and the whole against the way through all layers."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.priors.kernels.banded import BandStack, Blocks, Taps
from generator.priors.kernels.kronecker import GramStack
from generator.priors.kernels.mirrored import MirrorKernel
from generator.priors.kernels.two_scales import BLOCK, Splines, TwoScaleKernel, two_scale_kernel
from generator.priors.operators import balanced_weights, layer_shape, parse_resolutions, resolution_operator
from generator.recipes.perturbations import PERTURBATIONS, bound_of, resolutions_of
from generator.recipes.recipe import Recipe
from tests.examples import examples

F64 = torch.float64


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def kernel_of(text: str, size: tuple[int, int], tolerance: float, balance: float = 0.0) -> TwoScaleKernel:
    resolutions = parse_resolutions(text, size)
    shapes = [layer_shape(r, size) for r in resolutions]
    found = two_scale_kernel(shapes, size, balanced_weights(resolutions, size, balance), tolerance, noise(1))
    assert found is not None
    return found


def through_the_layers(text: str, images: torch.Tensor, balance: float = 0.0) -> torch.Tensor:
    size = (images.shape[-2], images.shape[-1])
    resolutions = parse_resolutions(text, size)
    op = resolution_operator(resolutions, size, weights=balanced_weights(resolutions, size, balance), dtype=F64)
    return op.up(op.adjoint(images))


@settings(max_examples=examples(60), deadline=None)
@given(size=st.integers(1, 90), data=st.data())
def test_taps_are_what_interpolate_does(size: int, data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, size))
    unit = torch.eye(cells, dtype=F64)[None, :, :, None]
    enlarged = F.interpolate(unit, size=(size, 1), mode="bicubic", align_corners=False)[0, :, :, 0].mT
    taps = Taps.of(size, cells)
    assert torch.equal(taps.matrix(), enlarged)
    product = enlarged @ enlarged.mT
    beside = (torch.arange(size)[:, None] - torch.arange(size)).abs()
    seen = (enlarged != 0).double()
    assert taps.reach == int(beside[seen @ seen.mT > 0].max())
    pixels = torch.arange(-3, size + 3)[None]
    rows = taps.rows(pixels)[0]
    assert not rows[:3].any() and not rows[-3:].any()
    torch.testing.assert_close(rows[3:-3] @ rows[3:-3].mT, product, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("held", [1, 1 << 24])
def test_a_stack_of_bands_is_the_stack_of_whole_matrices(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr("generator.priors.kernels.banded._HELD_ENTRIES", held)  # one block at a time, or all
    size, cells = 50, (20, 33, 50)
    taps = [(0.5 + index, Taps.of(size, some)) for index, some in enumerate(cells)]
    blocks = Blocks(origin=-3, count=4, length=16, reach=max(some.reach for _, some in taps))
    bands, whole = BandStack(taps, blocks), GramStack([[(c, some.matrix())] for c, some in taps])
    torch.testing.assert_close(bands.inner_products(), whole.inner_products(), rtol=1e-12, atol=1e-12)
    coefficients = noise(3, 2)
    mixed, dense = bands.mixed(coefficients), whole.mixed(coefficients)
    rows = blocks.origin + torch.arange(blocks.count * blocks.length).view(blocks.count, -1)
    for block in range(blocks.count):
        for row in range(blocks.length):
            i = int(rows[block, row])
            expected = torch.zeros(2, blocks.window, dtype=F64)
            for place, j in enumerate(blocks.pixels[block].tolist()):
                if 0 <= i < size and 0 <= j < size:
                    expected[:, place] = dense[:, i, j]
            torch.testing.assert_close(mixed[:, block, row], expected, rtol=1e-12, atol=1e-12)


def test_a_spline_by_hand() -> None:
    """A cubic B-spline is 2/3 at its centre, 1/6 one spacing beside it, 23/48 and 1/48 between."""
    splines = Splines.over(size=8, spacing=2, reach=0)
    values = splines.values()
    torch.testing.assert_close(values.sum(1), torch.ones(8, dtype=F64))
    # Spacing 2 puts centres between pixels, half a pixel away: t = 0.25, 0.75, 1.25 and 1.75.
    t = torch.tensor([0.25, 0.75, 1.25, 1.75], dtype=F64)
    by_hand = torch.where(t < 1, 2 / 3 - t**2 + t**3 / 2, (2 - t) ** 3 / 6)
    inner = values[:, values.shape[1] // 2]
    assert sorted(inner[inner > 0].tolist(), reverse=True)[::2] == pytest.approx(by_hand.tolist())


@settings(max_examples=examples(40), deadline=None)
@given(size=st.integers(33, 200), spacing=st.sampled_from([2, 4, 8]), reach=st.integers(0, 40))
def test_splines_add_up_to_one_and_know_no_left_from_right(size: int, spacing: int, reach: int) -> None:
    splines = Splines.over(size, spacing, reach)
    values = splines.values()
    assert (values.sum(1) - 1).abs().max() < 2e-3  # at the ends one that is hardly seen is left out
    torch.testing.assert_close(values, values.flip(0, 1))
    assert (values.amax(0) > 1e-3).all()  # none is hardly seen: they are well told apart
    blocks = splines.blocks
    assert blocks.origin <= 0 and blocks.origin + blocks.count * BLOCK >= size and blocks.reach >= reach
    padded = F.pad(noise(1, size), (blocks.reach - blocks.origin, blocks.count * BLOCK + blocks.reach))[0]
    signal = padded[blocks.reach - blocks.origin :][:size]
    down, up = splines.down(), splines.up()
    gathered = torch.cat([padded[i * BLOCK :][: blocks.window] @ down for i in range(blocks.count)])
    torch.testing.assert_close(gathered[: splines.count], signal @ values)
    grid = F.pad(noise(splines.count, seed=1), (1, blocks.count * splines.a_block + 2 - splines.count))
    spread = torch.cat([grid[i * splines.a_block :][: len(up)] @ up for i in range(blocks.count)])
    torch.testing.assert_close(spread[-blocks.origin :][:size], values @ grid[1:][: splines.count])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "size", "tolerance", "balance"),
    [
        ("all", (36, 36), 1e-2, 0.0),
        ("all", (36, 36), 1e-2, 1.0),
        ("all", (29, 41), 1e-2, 0.0),
        ("1..41:3", (41, 27), 1e-2, 0.0),
        ("pow2", (40, 40), 1e-2, 0.5),
        ("1,2,3", (33, 33), 1e-2, 0.0),
        ("30,40", (40, 40), 1e-3, 0.0),
        ("35", (35, 35), 1e-3, 0.0),
    ],
)
def test_the_error_over_all_images_is_within_the_tolerance(
    text: str, size: tuple[int, int], tolerance: float, balance: float
) -> None:
    kernel = kernel_of(text, size, tolerance, balance)
    units = torch.eye(math.prod(size), dtype=F64).view(-1, 1, *size)
    exact, found = through_the_layers(text, units, balance), kernel(units)
    error = float((found - exact).norm() / exact.norm())
    assert error <= tolerance and kernel.relative_error <= tolerance
    assert error <= 1.05 * kernel.relative_error + 1e-9  # and what it says of itself is no less than that
    matrix = found.flatten(1)
    torch.testing.assert_close(matrix, matrix.mT, rtol=1e-9, atol=1e-9 * float(matrix.abs().max()))


@pytest.mark.slow
@settings(max_examples=examples(5), deadline=None)
@given(
    height=st.integers(130, 350),
    width=st.integers(130, 350),
    step=st.sampled_from([1, 4, 7]),
    balance=st.sampled_from([0.0, 0.5, 1.0]),
    batch=st.integers(1, 2),
)
def test_large_canvases_of_any_shape(height: int, width: int, step: int, balance: float, batch: int) -> None:
    text = f"1..{max(height, width)}:{step}"
    kernel, images = kernel_of(text, (height, width), 1e-2, balance), noise(batch, 3, height, width)
    exact = through_the_layers(text, images, balance)
    found = kernel(images)
    assert found.shape == images.shape
    assert float((found - exact).norm() / exact.norm()) < 2e-2  # of one draw of noise, where 1e-2 is meant of all


@pytest.mark.slow
def test_which_canvases_are_taken_apart() -> None:
    def form(size: tuple[int, int], text: str = "pow2", tolerance: float = 1e-2, wrap: bool = False) -> type:
        resolutions = parse_resolutions(text, size)
        op = resolution_operator(resolutions, size, tolerance=tolerance, wrap=wrap, mirrored=True, two_scales=True)
        return type(op.kernel)

    assert form((400, 400)) is TwoScaleKernel
    assert form((400, 400), tolerance=0.0) is not TwoScaleKernel  # exact is exact
    assert form((400, 400), wrap=True) is not TwoScaleKernel
    assert form((400, 400), "1,2,3") is not TwoScaleKernel  # the layers themselves are cheaper
    assert form((96, 96), "all") is MirrorKernel
    assert form((25, 4100), "1..512:8") is not TwoScaleKernel  # its grid would be as large as a canvas
    assert form((2000, 60)) is form((60, 2000)) is TwoScaleKernel
    assert form((400, 400), tolerance=1e-6) is not TwoScaleKernel  # cannot be cut where it pays


def test_recipes_of_before_are_computed_as_they_were() -> None:
    kernels = []
    for version in 6, 7:
        recipe = Recipe(
            task="class", classes=("x",), version=version, size=(352, 320), resolutions="pow2", tolerance=0.01
        )
        change = PERTURBATIONS[recipe.perturbation]
        prior = change.make(recipe, resolutions_of(recipe), bound_of(recipe, None), recipe.size, "cpu")
        kernels.append(prior.operator.kernel)
    old, new = kernels
    assert not isinstance(old, TwoScaleKernel) and isinstance(new, TwoScaleKernel)
    images = torch.randn(1, 3, 352, 320, generator=torch.Generator().manual_seed(0))
    assert float((old(images) - new(images)).norm() / old(images).norm()) < 0.02
