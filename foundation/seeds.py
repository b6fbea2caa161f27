"""Seeds of their own for the parts of a computation, so that none depends on what another drew."""

import hashlib
from collections.abc import Callable

import torch


def seed_of(text: str) -> int:
    """The 63-bit seed that a text stands for: hashed, since generators on the CPU use only 32 bits of a seed."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one purpose."""
    return torch.Generator(device).manual_seed(seed_of(f"{purpose}:{seed}"))


def kept_states() -> Callable[[], None]:
    """Remember the states of the global generators, also of the CUDA devices in use; what is returned restores them.

    Nothing of ours draws from them, but a network that somebody else made may.
    """
    generators = [torch.default_generator]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        generators += torch.cuda.default_generators
    states = [generator.get_state() for generator in generators]

    def restore() -> None:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)

    return restore
