"""Whatever test runs first: torchvision's missing operators are declared before anything imports it."""

from generator import torchvision_cure  # noqa: F401
