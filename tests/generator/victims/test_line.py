import pytest
import torch

from generator.victims.line import AT_ONCE, along, between, default_positions
from generator.victims.victims import classifier_victim
from tests.generator.standins import Colours, NoisyColours, rng


def test_positions_hit_the_photo_and_the_picture() -> None:
    positions = default_positions()
    assert positions[0] == -0.5 and positions[-1] == 2.0 and {0.0, 1.0} <= set(positions)


def test_the_ends_are_exact() -> None:
    a, b = (torch.rand(1, 3, 12, 20, generator=rng(seed)) for seed in (0, 1))
    assert torch.equal(between(a, b, 0.0), a) and torch.equal(between(a, b, 1.0), b)
    beyond = between(a, b, 2.0)
    torch.testing.assert_close(beyond, (2 * b - a).clamp(0, 1))
    assert beyond.min() >= 0 and beyond.max() <= 1


def test_a_crossing_by_hand() -> None:
    """Red falls from 0.7 and green rises from 0.3, so they meet half-way between photo and picture."""
    photo = torch.tensor([0.7, 0.3, 0.1]).view(1, 3, 1, 1).expand(1, 3, 10, 14).contiguous()
    attacked = photo.flip(1).roll(-1, 1)
    attacked = torch.tensor([0.3, 0.7, 0.1]).view(1, 3, 1, 1).expand_as(photo).contiguous()
    victim = classifier_victim("c", Colours())
    line = along(victim, photo, attacked)
    assert [p.verdict.label for p in line.points if p.t in (-0.5, 0.0, 1.0, 2.0)] == ["red", "red", "green", "green"]
    (crossing,) = line.crossings
    assert (crossing.before, crossing.after) == ("red", "green") and crossing.t == pytest.approx(0.5, abs=1e-3)
    (coarse,) = along(victim, photo, attacked, (0.0, 0.8), halvings=0).crossings
    assert coarse.t == pytest.approx(0.4)
    assert line.points[10].verdict == victim.look(photo)[0] and line.points[10].t == 0.0


@pytest.mark.parametrize("model", [Colours(), NoisyColours()])
def test_every_point_is_what_the_victim_says_of_it_alone(model: Colours) -> None:
    """Points go through a model together, but not through one whose random numbers would be others then."""
    photo, attacked = (torch.rand(1, 3, 12, 20, generator=rng(seed)) for seed in (0, 1))
    victim = classifier_victim("c", model)
    assert victim.by_image == (not isinstance(model, NoisyColours))
    model.batches.clear()
    line = along(victim, photo, attacked, halvings=0)
    assert len(line.points) == len(default_positions())
    if victim.by_image:
        assert max(shape[0] for shape in model.batches) == AT_ONCE
    for point in line.points:
        alone = victim.look(between(photo, attacked, point.t))[0]
        assert point.verdict.label == alone.label
        assert point.verdict.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_what_is_no_line_is_refused() -> None:
    victim, photo = classifier_victim("c", Colours()), torch.zeros(1, 3, 9, 9)
    with pytest.raises(ValueError, match="one size"):
        along(victim, photo, torch.zeros(1, 3, 9, 8))
    with pytest.raises(ValueError, match="increase"):
        along(victim, photo, photo, (0.0, 0.0))
