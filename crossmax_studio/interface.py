"""Everything that `crossmax_studio` offers, loaded together when the first name is used."""

from crossmax_studio.attacking import AttackResult, attack
from crossmax_studio.callables import LayerAttack, PixelAttack
from crossmax_studio.evaluating import Report, evaluate
from crossmax_studio.pictures import Picture, class_image, text_image
from crossmax_studio.prior import MultiResolutionPrior
from foundation.errors import StudioError
from foundation.progress import Progress
from generator.recipes.recipe import Recipe
from robust_model.networks.crossmax import crossmax
from robust_model.networks.stack import STACKS, MultiResolutionStack, StackConfig

__all__ = [
    "STACKS",
    "AttackResult",
    "LayerAttack",
    "MultiResolutionPrior",
    "MultiResolutionStack",
    "Picture",
    "PixelAttack",
    "Progress",
    "Recipe",
    "Report",
    "StackConfig",
    "StudioError",
    "attack",
    "class_image",
    "crossmax",
    "evaluate",
    "text_image",
]
