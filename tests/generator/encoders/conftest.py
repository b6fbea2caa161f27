"""Makes open_clip importable for the tests of this folder, before any of them is."""

from foundation import torchvision_cure  # noqa: F401
