"""What a classifier says, by one rule for all who ask, in as few passes as can be."""

import pytest
import torch
from torch import Tensor

from foundation.protocols import ReadOutClassifier
from generator.synthesis.answers import DRAWS, ask, started
from tests.generator.standins import Colours, LayeredColours, NoisyColours, rng

IMAGES = torch.rand(2, 3, 6, 5, generator=rng())


class ReadOut(LayeredColours):
    """Its answer is the sum of its read-outs; noise of standard deviation `noise` is added to the images."""

    def __init__(self, noise: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self.noise, self.rng = noise, rng(seed)
        self.seeds: list[ReadOut] = []

    def with_seed(self, seed: int) -> "ReadOut":
        self.seeds.append(ReadOut(self.noise, seed))
        return self.seeds[-1]

    def readouts(self, images: Tensor) -> Tensor:
        return super().readouts(images + self.noise * torch.randn(images.shape, generator=self.rng))

    def answer_from(self, readouts: Tensor) -> Tensor:
        return readouts.sum(dim=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.answer_from(self.readouts(images))


@pytest.mark.parametrize(("noise", "draws", "passes"), [(0.0, None, 2), (0.0, 1, 1), (0.1, None, DRAWS), (0.1, 3, 3)])
def test_a_pass_gives_the_answer_and_its_read_outs(noise: float, draws: int | None, passes: int) -> None:
    model = ReadOut(noise)
    assert isinstance(model, ReadOutClassifier) and not isinstance(LayeredColours(), ReadOutClassifier)
    said = ask(model, IMAGES, draws)
    assert len(model.seeds[-1].batches) == passes  # nothing is computed once more for the read-outs
    kept = 1 if noise == 0 else passes
    assert said.readouts is not None and said.readouts.shape == (kept, 2, 2, 4)
    assert torch.equal(said.passes, said.readouts.sum(dim=2))
    judge = started(ReadOut(noise))
    assert torch.equal(said.passes, torch.stack([judge(IMAGES) for _ in range(kept)]).detach())


def test_others_are_asked_for_their_read_outs_afterwards() -> None:
    model = LayeredColours()
    said = ask(model, IMAGES)
    assert said.readouts is not None and torch.equal(said.readouts[0], model.readouts(IMAGES))
    assert torch.equal(said.passes[0], model(IMAGES))
    assert ask(Colours(), IMAGES).readouts is None
    assert ask(NoisyColours(), IMAGES).passes.shape == (DRAWS, 2, 4)


def test_one_that_has_a_faster_form_is_asked_in_that() -> None:
    class Slow(Colours):
        def forward(self, images: Tensor) -> Tensor:
            raise AssertionError("the slow form was asked")

        def accelerated(self) -> Colours:
            return Colours()

    assert torch.equal(ask(Slow(), IMAGES, 1).passes[0], Colours()(IMAGES))
