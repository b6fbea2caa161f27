"""The multi-resolution operator against `interpolate` and by hand; its cheap forms against their error."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.kernels.kronecker import GramStack, KroneckerKernel, truncated_matrices
from generator.priors.operators import (
    FactorKernel,
    ResolutionOperator,
    layer_shape,
    parse_resolutions,
    resolution_operator,
    upsampling_matrix,
)
from tests.examples import examples

F64 = torch.float64
SHAPES = [(24, 24), (20, 31), (31, 20), (8, 40)]


def operator(
    size: tuple[int, int], resolutions: str = "all", tolerance: float = 0.0, **options: object
) -> ResolutionOperator:
    chosen = parse_resolutions(resolutions, size)
    weights = [1 / (1 + i % 3) for i in range(len(chosen))]
    return resolution_operator(chosen, size, weights=weights, tolerance=tolerance, **{"dtype": F64} | options)


def random_layers(op: ResolutionOperator, rng: torch.Generator, batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, 3, *shape, dtype=F64, generator=rng) for shape in op.shapes]


def interpolated_sum(op: ResolutionOperator, layers: list[Tensor]) -> Tensor:
    return sum(
        w * F.interpolate(p, size=op.size, mode="bicubic", align_corners=False)
        for w, p in zip(op.weights, layers, strict=True)
    )


def dense(linear, size: tuple[int, int]) -> Tensor:
    """The matrix of a linear map on images, column by column."""
    units = torch.eye(size[0] * size[1], dtype=F64).view(-1, 1, *size)
    return linear(units).flatten(1).mT


# --- reading the resolutions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..5", (1, 2, 3, 4, 5)),
        ("1..10:4", (1, 5, 9)),
        ("pow2", (1, 2, 4, 8, 16)),
        ("16, 8,4", (4, 8, 16)),
        ("1..3,3,16", (1, 2, 3, 16)),
        (" 2 .. 4 : 2 , 20", (2, 4, 20)),
        ([20, 1, 5], (1, 5, 20)),
        ("all", tuple(range(1, 21))),
    ],
)
def test_resolutions_are_read(text, expected):
    assert parse_resolutions(text, (12, 20)) == expected


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("1..8,21", "item 2 ('21')", "between 1 and 20"),
        ("0", "item 1 ('0')", "between 1 and 20"),
        ("1..999999999", "item 1", "between 1 and 20"),
        ("1..2,8..4", "item 2 ('8..4')", "4..8"),
        ("1..8:0", "item 1", "step"),
        ("1,,2", "item 2 ('')", "number"),
        ("", "item 1 ('')", "number"),
        ("1-8", "item 1 ('1-8')", '"1..224"'),
        ("9" * 5000, "item 1", "number"),
        ("\u0663", "item 1", "number"),
        ([3, -1], "item 2 ('-1')", "number"),
        ([3.5], "item 1 ('3.5')", "number"),
        ([], "Resolutions", "at least one"),
    ],
)
def test_unreadable_resolutions_are_refused_with_their_place(text, place, reason):
    with pytest.raises(StudioError) as refusal:
        parse_resolutions(text, (12, 20))
    assert place in str(refusal.value)
    assert reason in str(refusal.value)


def test_layer_shape_follows_the_canvas():
    assert layer_shape(4, (10, 20)) == (2, 4)
    assert layer_shape(1, (10, 200)) == (1, 1)
    assert layer_shape(30, (30, 17)) == (30, 17)
    assert layer_shape(7, (224, 224)) == (7, 7)
    for wrong in 0, 21:
        with pytest.raises(StudioError, match="between 1 and 20"):
            layer_shape(wrong, (10, 20))


# --- the matrices -------------------------------------------------------------------------------------------


def test_upsampling_by_hand():
    assert torch.equal(upsampling_matrix(5, 5), torch.eye(5, dtype=F64))
    torch.testing.assert_close(upsampling_matrix(7, 1), torch.ones(7, 1, dtype=F64))
    # 2 -> 4: pixel i reads at (i + 1/2) / 2 - 1/2 = -1/4, 1/4, 3/4, 5/4. With Keys' kernel, a = -3/4,
    # a point at t = 1/4 between cells 0 and 1 weighs -1, 0, 1, 2 by (-27, 225, 67, -9) / 256; then clamped.
    near_left = [
        (-27 + 225) / 256,
        (67 - 9) / 256,
    ]  # t = 1/4: the cells -1, 0 are cell 0, and 1, 2 are cell 1
    far_left = [(-9 + 67 + 225) / 256, -27 / 256]  # t = 3/4 between cells -1 and 0: -2, -1, 0 are cell 0
    expected = torch.tensor([far_left, near_left, near_left[::-1], far_left[::-1]], dtype=F64)
    torch.testing.assert_close(upsampling_matrix(4, 2), expected, rtol=0, atol=1e-12)


def test_periodic_upsampling_by_hand():
    assert torch.equal(upsampling_matrix(5, 5, wrap=True), torch.eye(5, dtype=F64))
    torch.testing.assert_close(upsampling_matrix(7, 1, wrap=True), torch.ones(7, 1, dtype=F64))
    # 2 -> 4 as above, but the cells -2, -1, 0, 1, 2, 3 are now the cells 0, 1, 0, 1, 0, 1.
    near_first, near_second = [(225 - 9) / 256, (67 - 27) / 256], [(67 - 27) / 256, (225 - 9) / 256]
    expected = torch.tensor([near_first, near_first, near_second, near_second], dtype=F64)
    torch.testing.assert_close(upsampling_matrix(4, 2, wrap=True), expected, rtol=0, atol=1e-12)
    # 3 -> 6: pixel 0 reads at -1/4, the cells -2..1 with weights (-9, 67, 225, -27); pixel 5 mirrors it.
    torch.testing.assert_close(
        upsampling_matrix(6, 3, wrap=True)[[0, 5]] * 256,
        torch.tensor([[225, -27 - 9, 67], [67, -27 - 9, 225]], dtype=F64),
        rtol=0,
        atol=1e-9,
    )


@pytest.mark.parametrize("size", SHAPES)
def test_up_is_the_sum_of_interpolations(size):
    op = operator(size)
    layers = random_layers(op, torch.Generator().manual_seed(0))
    torch.testing.assert_close(op.up(layers), interpolated_sum(op, layers), rtol=1e-12, atol=1e-12)
    parts = [op.up_one(index, layer) for index, layer in enumerate(layers)]
    torch.testing.assert_close(torch.stack(parts).sum(0), op.up(layers), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SHAPES)
def test_one_layer_goes_up_and_down_as_among_all(size):
    op = operator(size)
    image = torch.randn(2, 3, *size, dtype=F64, generator=torch.Generator().manual_seed(0))
    for index, layer in enumerate(op.adjoint(image)):
        torch.testing.assert_close(op.adjoint_one(index, image), layer, rtol=1e-12, atol=1e-12)


def test_up_is_the_same_in_several_groups(monkeypatch):
    monkeypatch.setattr("generator.priors.operators._GROUP_ROWS", 30)
    op = ResolutionOperator(tuple(range(1, 21)), (20, 13), (1.0,) * 20, 0.0, F64, torch.device("cpu"))
    layers = random_layers(op, torch.Generator().manual_seed(0))
    torch.testing.assert_close(op.up(layers), interpolated_sum(op, layers), rtol=1e-12, atol=1e-12)
    image = torch.randn(2, 3, 20, 13, dtype=F64, generator=torch.Generator().manual_seed(1))
    assert [tuple(p.shape[-2:]) for p in op.adjoint(image)] == list(op.shapes)
    assert isinstance(op.kernel, KroneckerKernel)
    by_layers = FactorKernel(op._groups, 20)
    torch.testing.assert_close(by_layers(image), op.kernel(image), rtol=1e-12, atol=1e-12)


@settings(max_examples=examples(15), deadline=None)
@given(height=st.integers(2, 20), width=st.integers(2, 20), seed=st.integers(0, 2**31), keep=st.integers(1, 4))
def test_adjoint(height, width, seed, keep):
    rng = torch.Generator().manual_seed(seed)
    op = operator((height, width), f"1..{max(height, width)}:{keep}")
    layers = random_layers(op, rng)
    image = torch.randn(2, 3, height, width, dtype=F64, generator=rng)
    through_images = (op.up(layers) * image).sum()
    through_layers = sum((p * q).sum() for p, q in zip(layers, op.adjoint(image), strict=True))
    torch.testing.assert_close(through_images, through_layers, rtol=1e-9, atol=1e-9)


# --- tiling -------------------------------------------------------------------------------------------------


def test_periodic_up_is_the_interpolation_of_layers_that_go_on():
    op = operator((12, 18), "3,6,9", wrap=True)
    assert op.shapes == ((2, 3), (4, 6), (6, 9))
    layers = random_layers(op, torch.Generator().manual_seed(0))
    expected = torch.zeros(2, 3, 12, 18, dtype=F64)
    for w, layer, (rows, columns) in zip(op.weights, layers, op.shapes, strict=True):
        scale = 12 // rows
        around = F.pad(layer, (2, 2, 2, 2), mode="circular")
        larger = F.interpolate(
            around, size=(scale * (rows + 4), scale * (columns + 4)), mode="bicubic", align_corners=False
        )
        expected += w * larger[..., 2 * scale : -2 * scale, 2 * scale : -2 * scale]
    torch.testing.assert_close(op.up(layers), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("resolution", [1, 2, 3, 6, 12, 24])
def test_a_roll_by_one_cell_is_a_roll_of_the_periodic_picture(resolution):
    op = operator((24, 48), str(2 * resolution), wrap=True)
    (layer,) = random_layers(op, torch.Generator().manual_seed(0))
    pixels = 24 // resolution
    torch.testing.assert_close(
        op.up_one(0, layer.roll((1, -1), (2, 3))),
        op.up_one(0, layer).roll((pixels, -pixels), (2, 3)),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize(("wrap", "seamless"), [(True, True), (False, False)])
def test_only_a_periodic_picture_has_no_seam(wrap, seamless):
    """Layers up to a quarter of the sides: neighbouring pixels differ little, and hardly more across the edges.

    A little more, because that is the one place where a border between cells is common to all layers.
    """
    op = operator((32, 40), "1..10", wrap=wrap)
    rng = torch.Generator().manual_seed(0)
    picture = op.up([torch.randn(40, 3, *shape, dtype=F64, generator=rng) for shape in op.shapes])
    for axis in (2, 3):
        steps = (picture - picture.roll(1, axis)).square().mean([a for a in range(4) if a != axis]).sqrt()
        across_the_edge, inside = float(steps[0]), float(steps[1:].max())
        assert (across_the_edge < 1.2 * inside) is seamless


def test_periodic_and_plain_operators_are_told_apart():
    plain, periodic = (resolution_operator((1, 4), (8, 9), wrap=wrap) for wrap in (False, True))
    assert plain is not periodic
    assert resolution_operator((1, 4), (8, 9), wrap=True) is periodic
    layer = torch.arange(16.0).view(1, 1, 4, 4)
    assert not torch.allclose(plain.up_one(1, layer), periodic.up_one(1, layer))


@settings(max_examples=examples(10), deadline=None)
@given(height=st.integers(2, 16), width=st.integers(2, 16), seed=st.integers(0, 2**31))
def test_periodic_adjoint(height, width, seed):
    rng = torch.Generator().manual_seed(seed)
    op = operator((height, width), "all", wrap=True)
    layers = random_layers(op, rng)
    image = torch.randn(2, 3, height, width, dtype=F64, generator=rng)
    through_layers = sum((p * q).sum() for p, q in zip(layers, op.adjoint(image), strict=True))
    torch.testing.assert_close((op.up(layers) * image).sum(), through_layers, rtol=1e-9, atol=1e-9)


# --- the kernel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("resolutions", ["all", "pow2", "3", "1..20:5"])
@pytest.mark.parametrize("wrap", [False, True])
def test_exact_kernel_is_up_after_adjoint(size, resolutions, wrap):
    op = operator(size, resolutions, wrap=wrap)
    image = torch.randn(2, 3, *size, dtype=F64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(op.kernel(image), op.up(op.adjoint(image)), rtol=1e-10, atol=1e-10)
    assert op.kernel.relative_error == 0


def test_exact_kernel_merges_layers_that_agree_along_the_shorter_side():
    kernel = operator((5, 60)).kernel
    assert isinstance(kernel, KroneckerKernel)
    assert kernel.terms == 5


@pytest.mark.parametrize("size", [(16, 16), (12, 19), (19, 12)])
@pytest.mark.parametrize("resolutions", ["all", "1..12:3"])
@pytest.mark.parametrize("tolerance", [3e-2, 1e-2, 1e-3])
@pytest.mark.parametrize("wrap", [False, True])
def test_truncated_kernel_keeps_its_tolerance(size, resolutions, tolerance, wrap):
    exact, cheap = operator(size, resolutions, wrap=wrap), operator(size, resolutions, tolerance, wrap=wrap)
    full, approximate = dense(lambda g: exact.up(exact.adjoint(g)), size), dense(cheap.kernel, size)
    error = float((approximate - full).norm() / full.norm())
    assert error <= tolerance
    assert error == pytest.approx(cheap.kernel.relative_error, rel=1e-6, abs=1e-9)
    torch.testing.assert_close(approximate, approximate.mT, rtol=0, atol=1e-9)


def test_truncated_kernel_on_white_noise():
    size, tolerance = (26, 20), 1e-2
    exact = operator(size, dtype=torch.float32)
    cheap = operator(size, tolerance=tolerance, dtype=torch.float32)
    assert isinstance(cheap.kernel, KroneckerKernel)
    assert cheap.kernel.terms < 10
    noise = torch.randn(3000, 1, *size, generator=torch.Generator().manual_seed(0))
    reference = exact.kernel(noise)
    measured = float((cheap.kernel(noise) - reference).norm() / reference.norm())
    assert measured == pytest.approx(cheap.kernel.relative_error, rel=0.1)


def test_fewer_terms_for_a_looser_tolerance():
    terms = [operator((32, 32), tolerance=t).kernel.terms for t in (1e-3, 1e-2, 1e-1)]
    assert terms == sorted(terms, reverse=True)
    assert terms[-1] < terms[0] < 32


@pytest.mark.parametrize("size", [(32, 32), (32, 20)])
def test_powers_of_two_need_no_more_terms_than_resolutions(size):
    op = operator(size, "pow2")
    left, right, error = truncated_matrices(*op._gram_stacks(), 1e-12, most=len(op.resolutions))
    assert len(left) <= len(op.resolutions)
    image = torch.randn(2, 3, *size, dtype=F64, generator=torch.Generator().manual_seed(0))
    kernel = KroneckerKernel.from_matrices(left, right, error)
    torch.testing.assert_close(kernel(image), op.up(op.adjoint(image)), rtol=1e-7, atol=1e-7)


def test_truncation_gives_up_beyond_the_affordable():
    stacks = operator((16, 16))._gram_stacks()
    assert truncated_matrices(*stacks, 1e-6, most=2) is None


def test_gram_stack_in_blocks_of_rows(monkeypatch):
    rng = torch.Generator().manual_seed(0)
    members = [[(0.5, torch.randn(9, 2, dtype=F64, generator=rng))], [(2.0, torch.eye(9, dtype=F64))] * 2]
    whole = torch.stack([0.5 * members[0][0][1] @ members[0][0][1].mT, 4 * torch.eye(9, dtype=F64)])
    monkeypatch.setattr("generator.priors.kernels.kronecker._BLOCK_ENTRIES", 2 * 9 * 4)  # four rows at a time
    stack = GramStack(members)
    torch.testing.assert_close(stack.inner_products(), torch.einsum("sij,tij->st", whole, whole))
    mix = torch.tensor([[1.0, 2.0, 0.0], [-1.0, 0.5, 1.0]], dtype=F64)
    torch.testing.assert_close(stack.mixed(mix), torch.einsum("tq,tij->qij", mix, whole))


def test_large_photo_never_makes_a_square_matrix(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a matrix of the side squared was asked for")

    monkeypatch.setattr(GramStack, "blocks", refuse)
    for tolerance in 0.0, 1e-2:
        kernel = operator((3000, 4000), "1,2,4,8,16,32,64", tolerance).kernel
        assert isinstance(kernel, FactorKernel)
        operator((600, 400), "1..16", tolerance).kernel(torch.ones(1, 3, 600, 400, dtype=F64))


def test_operators_are_kept_and_told_apart():
    first = resolution_operator((1, 2), (8, 9))
    assert resolution_operator([1, 2], (8, 9)) is first
    assert resolution_operator((1, 2), (8, 9), weights=(1, 2)) is not first
    assert resolution_operator((1, 2), (8, 9), dtype=F64).up_one(0, torch.ones(1, 1, dtype=F64)).dtype == F64


@pytest.mark.parametrize(
    ("resolutions", "options", "reason"),
    [
        ((), {}, "at least one"),
        ((2, 1), {}, "ascending"),
        ((1, 1), {}, "each once"),
        ((1, 11), {}, "between 1 and 10"),
        ((1, 2), {"weights": [1.0]}, "one weight for each of the 2"),
        ((1, 2), {"weights": [1.0, float("nan")]}, "positive"),
        ((1, 2), {"weights": [1.0, 0.0]}, "positive"),
        ((1, 2), {"tolerance": -0.1}, "tolerance"),
        ((1, 2), {"tolerance": float("nan")}, "tolerance"),
    ],
)
def test_operators_that_make_no_sense_are_refused(resolutions, options, reason):
    with pytest.raises(StudioError, match=reason):
        resolution_operator(resolutions, (10, 8), **options)
