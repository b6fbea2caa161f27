"""Makes open_clip importable for the tests of this folder, before any of them is."""

from generator import torchvision_cure  # noqa: F401
