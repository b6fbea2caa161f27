"""The random numbers of an attack's passes: fresh, shared by the batch, frozen over the steps."""

import torch
from torch import Tensor

from robust_model.attacks import ApgdConfig, PgdConfig
from robust_model.attacks.noise import StepNoise, take
from robust_model.networks.ensemble import SelfEnsemble
from robust_model.networks.model_config import ModelConfig
from robust_model.networks.noise import FreshNoise
from robust_model.networks.stack import STACKS, MultiResolutionStack, StackDraws
from tests.robust_model.defences import attacked


def ensemble(noise: str = "fresh") -> SelfEnsemble:
    config = ModelConfig(
        class_names=("a", "b", "c", "d"),
        widths=(8, 16),
        blocks=(1, 1),
        stack=STACKS["clean"].model_copy(update={"resolutions": (8, 4), "size": 8}),
        input_size=8,
        inference_noise=noise,
    )
    return SelfEnsemble(config).eval().requires_grad_(False)


def step_noise(kind: str, model: SelfEnsemble, *, batch: int = 3, eot: int = 2) -> StepNoise:
    rng = torch.Generator().manual_seed(0)
    return StepNoise(kind, model, FreshNoise(torch.Generator().manual_seed(1)), rng, batch=batch, eot=eot)


def drawn(noise: StepNoise, stack: MultiResolutionStack, indices: list[int]) -> StackDraws:
    return noise.for_images(torch.tensor(indices))(stack, noise.eot * len(indices))


def high(draws: StackDraws) -> Tensor:
    assert draws.high is not None
    return draws.high


def test_rows_of_draws() -> None:
    stack = ensemble().stack
    draws = stack.sample(4, torch.Generator().manual_seed(0))
    some = take(draws, torch.tensor([2, 0, 2]))
    assert torch.equal(some.shifts, draws.shifts[[2, 0, 2]])
    assert torch.equal(high(some), high(draws)[[2, 0, 2]])
    assert some.low is not None and draws.low is not None
    assert all(torch.equal(a, b[[2, 0, 2]]) for a, b in zip(some.low, draws.low, strict=True))
    silent = take(ensemble("off").stack.centre(3), torch.tensor([1]))
    assert silent.high is None and silent.low is None


def test_shared_draws_are_equal_for_all_images_and_differ_between_copies_and_passes() -> None:
    model = ensemble()
    noise = step_noise("shared", model)
    first, second = (high(drawn(noise, model.stack, [0, 1, 2])).view(2, 3, -1) for _ in range(2))
    for copies in (first, second):
        assert torch.equal(copies[:, 0], copies[:, 1]) and torch.equal(copies[:, 0], copies[:, 2])
        assert not torch.equal(copies[0], copies[1])
    assert not torch.equal(first, second)


def test_frozen_draws_are_an_images_own_at_every_pass_whoever_leaves() -> None:
    model = ensemble()
    noise = step_noise("frozen", model)
    all_three = high(drawn(noise, model.stack, [0, 1, 2])).view(2, 3, -1)
    assert torch.equal(high(drawn(noise, model.stack, [0, 1, 2])).view(2, 3, -1), all_three)
    last_two = high(drawn(noise, model.stack, [1, 2])).view(2, 2, -1)
    assert torch.equal(last_two, all_three[:, 1:])
    assert len(all_three.flatten(0, 1).unique(dim=0)) == 6, "every image and copy has its own"


def test_fresh_draws_are_those_that_were_asked_for() -> None:
    model = ensemble()
    noise = step_noise("fresh", model)
    assert noise.for_images(torch.tensor([0])) is noise.noise
    assert step_noise("frozen", ensemble("off")).over_steps == "fresh", "nothing to freeze"


def test_frozen_noise_makes_a_random_attack_repeatable_at_one_point() -> None:
    """With a budget of nothing every step queries the same point: frozen noise gives it the same loss each time."""
    model = ensemble()
    losses: list[list[Tensor]] = []

    class Recording(SelfEnsemble):
        def combine(self, logits: Tensor) -> Tensor:
            losses[-1].append(logits.clone())
            return super().combine(logits)

    recording = Recording(model.config).eval().requires_grad_(False)
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for kind in ("frozen", "fresh"):
        for config in (PgdConfig, ApgdConfig):
            losses.append([])
            attacked(
                recording,
                images,
                torch.zeros(3, dtype=torch.long),
                config(eps=0.0, steps=2, restarts=1, eot=2, noise_over_steps=kind),
                judge=lambda x, _: torch.ones(len(x)) > 0,
                noise=FreshNoise(torch.Generator().manual_seed(1)),
            )
            same = [torch.allclose(x, losses[-1][0], atol=1e-5) for x in losses[-1]]
            assert same == ([True] * 3 if kind == "frozen" else [True, False, False])
