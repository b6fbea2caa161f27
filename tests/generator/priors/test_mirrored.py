"""K by even and odd halves: the same map, whatever the sides, and only where the matrices commute with the mirror."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.priors.kernels.kronecker import KroneckerKernel
from generator.priors.kernels.mirrored import MirrorKernel, fold, unfold
from generator.priors.operators import parse_resolutions, resolution_operator
from generator.recipes.perturbations import PERTURBATIONS, bound_of, resolutions_of
from generator.recipes.recipe import Recipe
from tests.examples import examples

F64 = torch.float64


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def test_fold_of_a_row_by_hand() -> None:
    row = torch.tensor([[1.0, 2.0, 5.0, 7.0, 11.0]])
    even, odd = fold(row, -1)
    assert even.tolist() == [[12.0, 9.0, 5.0]] and odd.tolist() == [[-10.0, -5.0]]
    assert (unfold((even / 2, odd / 2), -1)[0, [0, 1, 3, 4]] == row[0, [0, 1, 3, 4]]).all()


def test_a_kernel_by_hand() -> None:
    """L = [[2, 1], [1, 2]] triples what is alike in both rows and keeps what is opposite."""
    left = torch.tensor([[[2.0, 1.0], [1.0, 2.0]]], dtype=F64)
    kernel = MirrorKernel.from_matrices(left, torch.ones(1, 1, 1, dtype=F64))
    assert kernel is not None and kernel.terms == 1
    assert kernel(torch.tensor([[1.0], [1.0]], dtype=F64)).flatten().tolist() == [3.0, 3.0]
    assert kernel(torch.tensor([[1.0], [-1.0]], dtype=F64)).flatten().tolist() == [1.0, -1.0]
    assert kernel(torch.tensor([[5.0], [2.0]], dtype=F64)).flatten().tolist() == [12.0, 9.0]


@settings(max_examples=examples(25), deadline=None)
@given(
    height=st.integers(1, 21),
    width=st.integers(1, 21),
    terms=st.integers(1, 4),
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_halves_are_the_whole(height: int, width: int, terms: int, batch: int, seed: int) -> None:
    left, right = noise(terms, height, height, seed=seed), noise(terms, width, width, seed=seed + 1)
    left, right = left + left.flip(1, 2), right + right.flip(1, 2)
    kernel = MirrorKernel.from_matrices(left, right, 0.25)
    assert kernel is not None and kernel.relative_error == 0.25
    images = noise(batch, 3, height, width, seed=seed + 2)
    whole = torch.einsum("qab,ncbd,qde->ncae", left, images, right)
    torch.testing.assert_close(kernel(images), whole, rtol=1e-10, atol=1e-10)


def test_matrices_that_know_left_from_right_have_no_halves() -> None:
    symmetric = torch.eye(6, dtype=F64)[None]
    tilted = symmetric.clone()
    tilted[0, 0, 1] = 1e-6
    assert MirrorKernel.from_matrices(symmetric, symmetric) is not None
    assert MirrorKernel.from_matrices(tilted, symmetric) is None
    assert MirrorKernel.from_matrices(symmetric, tilted) is None


@pytest.mark.parametrize("size", [(16, 16), (17, 17), (12, 19), (1, 9)])
@pytest.mark.parametrize("tolerance", [0.0, 1e-2])
@pytest.mark.parametrize("wrap", [False, True])
def test_an_operator_of_halves_is_the_operator(size: tuple[int, int], tolerance: float, wrap: bool) -> None:
    resolutions = parse_resolutions("all", size)
    op = resolution_operator(resolutions, size, tolerance=tolerance, dtype=F64, wrap=wrap, mirrored=True)
    assert isinstance(op.kernel, MirrorKernel)
    images = noise(2, 3, *size)
    reference = op.up(op.adjoint(images))
    error = float((op.kernel(images) - reference).norm() / reference.norm())
    assert error < max(1e-12, 2 * tolerance)
    full = torch.stack([op.kernel(one.view(1, 1, *size)).flatten() for one in torch.eye(size[0] * size[1], dtype=F64)])
    exact = torch.stack([op.up(op.adjoint(one.view(1, 1, *size))).flatten() for one in torch.eye(len(full), dtype=F64)])
    assert float((full - exact).norm() / exact.norm()) == pytest.approx(op.kernel.relative_error, rel=1e-6, abs=1e-9)


def test_recipes_of_before_are_computed_as_they_were() -> None:
    kernels = []
    for version in 5, 6:
        recipe = Recipe(task="class", classes=("x",), version=version, size=(32, 32), resolutions="all", tolerance=0.01)
        change = PERTURBATIONS[recipe.perturbation]
        prior = change.make(recipe, resolutions_of(recipe), bound_of(recipe, None), recipe.size, "cpu")
        kernels.append(prior.operator.kernel)
    old, new = kernels
    assert isinstance(old, KroneckerKernel) and isinstance(new, MirrorKernel)
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(old(images), new(images), rtol=1e-4, atol=1e-3)
