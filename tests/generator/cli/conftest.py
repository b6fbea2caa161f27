"""An endpoint of a vision-language model, as the tests of those have it."""

from tests.generator.vlm.conftest import endpoint

__all__ = ["endpoint"]
