"""Seeds of their own for the parts of a computation, so that none depends on what another drew."""

import hashlib

import torch


def seed_of(text: str) -> int:
    """The 63-bit seed that a text stands for: hashed, since generators on the CPU use only 32 bits of a seed."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for one purpose."""
    return torch.Generator(device).manual_seed(seed_of(f"{purpose}:{seed}"))
