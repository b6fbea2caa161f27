import torch

from foundation.seeds import seed_of, stream
from robust_model.evaluation.plan import generator_of


def test_seeds_are_the_first_63_bits_of_a_hash() -> None:
    """Pictures and evaluations of earlier versions are made again from these numbers: they never change."""
    # printf 'start:7' | sha256sum
    assert seed_of("start:7") == int("97549706d86e1136", 16) >> 1 < 2**63
    assert stream(7, "start").initial_seed() == seed_of("start:7")
    assert generator_of(7, 0, "pgd").initial_seed() == seed_of("7/0/pgd")
    assert not torch.equal(torch.rand(3, generator=stream(7, "start")), torch.rand(3, generator=stream(8, "start")))
