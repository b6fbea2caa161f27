"""The pictures that a recipe refers to."""

from dataclasses import dataclass, fields

from torch import Tensor

from foundation.images.files import pixel_digest


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that a recipe refers to by their digests, each [1, 3, H, W] in [0, 1].

    Attributes:
        source: the photo to start from; of an attack, also [B, 3, H, W] with one for each image.
        target: whose embedding is to be matched.
        style: whose embedding joins in.
        mask: where the photo may change: white where it may, black where not, of the photo's size.
    """

    source: Tensor | None = None
    target: Tensor | None = None
    style: Tensor | None = None
    mask: Tensor | None = None

    def digests(self) -> dict[str, str]:
        """Return the recipe's fields for these pictures; a batch of several has no digest."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: pixel_digest(image) for name, image in given.items() if image is not None and len(image) == 1}


NO_PICTURES = Pictures()
"""What a recipe refers to that starts from nothing."""
