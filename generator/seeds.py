"""Seeds of their own for the parts of a computation, so that none depends on what another drew."""

import hashlib


def seed_of(text: str) -> int:
    """The 63-bit seed that a text stands for: hashed, since generators on the CPU use only 32 bits of a seed."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
