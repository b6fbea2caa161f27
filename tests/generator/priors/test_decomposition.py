"""A picture taken apart into layers, against a dense solution by linear algebra."""

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.priors.decomposition import decompose
from generator.priors.operators import parse_resolutions, resolution_operator

F64 = torch.float64


def picture(size: tuple[int, int], seed: int = 0) -> Tensor:
    return torch.randn(2, 3, *size, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize(("size", "resolutions"), [((6, 8), "all"), ((8, 5), "pow2"), ((7, 7), "1..7:3")])
def test_layers_are_those_of_least_norm_that_add_up(size, resolutions, wrap):
    chosen = parse_resolutions(resolutions, size)
    weights = [1 / (1 + i % 3) for i in range(len(chosen))]
    operator = resolution_operator(chosen, size, weights=weights, dtype=F64, wrap=wrap)
    x = picture(size)
    layers = decompose(x, operator, tolerance=1e-10)
    assert tuple(layers) == chosen
    torch.testing.assert_close(operator.up(list(layers.values())), x, rtol=0, atol=1e-8)

    columns = []  # the matrix of Up, a unit layer at a time; its pseudo-inverse gives the least norm
    for index, shape in enumerate(operator.shapes):
        units = torch.eye(shape[0] * shape[1], dtype=F64).view(-1, *shape)
        columns.append(operator.up_one(index, units).flatten(1).mT)
    least = x.flatten(2) @ torch.linalg.pinv(torch.cat(columns, 1)).mT
    for layer, expected in zip(
        layers.values(), least.split([column.shape[1] for column in columns], dim=-1), strict=True
    ):
        torch.testing.assert_close(layer.flatten(2), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("wrap", [False, True])
def test_a_float32_picture_is_met_within_the_tolerance(wrap):
    size = (24, 36)
    operator = resolution_operator(tuple(range(1, 37)), size, wrap=wrap)
    x = picture(size).float().cumsum(2).cumsum(3)  # steep: thousands at one end
    missing = operator.up(list(decompose(x, operator, tolerance=1e-3).values())) - x
    assert (missing.norm(dim=(2, 3)) <= 1.1e-3 * x.norm(dim=(2, 3))).all()


def test_a_plane_of_zeros_stays_zero_beside_others():
    operator = resolution_operator((1, 2, 6), (4, 6))
    x = picture((4, 6)).float()
    x[1, 2] = 0
    layers = decompose(x, operator)
    for layer in layers.values():
        assert not layer[1, 2].any() and layer.isfinite().all()
    torch.testing.assert_close(operator.up(list(layers.values())), x, rtol=0, atol=1e-2)


def test_what_cannot_be_taken_apart_is_refused():
    with pytest.raises(StudioError, match="at most 5 cells cannot make every picture of 4 x 6 pixels: add the res"):
        decompose(picture((4, 6)), resolution_operator((1, 5), (4, 6)))
    with pytest.raises(StudioError, match="larger tolerance"):
        decompose(picture((4, 6)).float(), resolution_operator((1, 3, 6), (4, 6)), tolerance=1e-30)
