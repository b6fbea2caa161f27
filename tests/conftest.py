"""Whatever test runs first: torchvision's missing operators are declared before anything imports it.

Property tests draw as many examples as `tests.examples` says.
"""

from hypothesis import settings

from foundation import torchvision_cure  # noqa: F401
from tests.examples import examples

settings.register_profile("studio", max_examples=examples(100))
settings.load_profile("studio")
