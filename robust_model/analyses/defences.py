"""Defences made of others: one that answers by another read-out, and several networks as the predictors of one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from foundation.errors import StudioError
from robust_model.attacks import Defence, source_of
from robust_model.data.class_match import places_of
from robust_model.networks.noise import Noise


class ReadAs:
    """The defence that answers as `base` is read out by `source`: a `Defence` itself."""

    def __init__(self, base: Defence, source: str) -> None:
        self.base, self.source = base, source_of(base, source)
        self.class_names, self.readout_names = base.class_names, base.readout_names

    @property
    def random(self) -> bool:
        """Whether two passes over one image may differ."""
        return self.base.random

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The base's logits [B, N, C]."""
        return self.base.readouts(images, noise)

    def voting(self, logits: Tensor) -> Tensor:
        """The base's voters."""
        return self.base.voting(logits)

    def combine(self, logits: Tensor) -> Tensor:
        """The answer [B, C] of the chosen read-out."""
        return self.source(logits)


class InOrder:
    """The defence `base` with its classes in the order of `class_names`, each by its name: a `Defence` itself.

    Raises StudioError where these are not its classes.
    """

    def __init__(self, base: Defence, class_names: Sequence[str]) -> None:
        self.base, self.class_names, self.readout_names = base, tuple(class_names), base.readout_names
        if len(class_names) != len(base.class_names):
            raise StudioError(
                f"Networks of {len(class_names)} and of {len(base.class_names)} classes cannot be compared: name "
                "networks that know the same."
            )
        self.places = torch.tensor(places_of(class_names, base.class_names))

    @property
    def random(self) -> bool:
        """Whether two passes over one image may differ."""
        return self.base.random

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The base's logits [B, N, C], in the other order."""
        return self.base.readouts(images, noise)[:, :, self.places.to(images.device)]

    def voting(self, logits: Tensor) -> Tensor:
        """The base's voters."""
        return self.base.voting(logits)

    def combine(self, logits: Tensor) -> Tensor:
        """The base's answer [B, C]: how predictors are combined does not depend on the order of the classes."""
        return self.base.combine(logits)


class Together:
    """Independent networks of the same classes as one `Defence`: their answers are its predictors.

    Its own answer is their mean.
    """

    def __init__(self, names: Sequence[str], members: Sequence[Defence]) -> None:
        if any(member.class_names != members[0].class_names for member in members):
            raise StudioError("Networks that are to answer together must know the same classes, in the same order.")
        self.members = tuple(members)
        self.class_names, self.readout_names = members[0].class_names, tuple(names)

    @property
    def random(self) -> bool:
        """Whether two passes over one image may differ."""
        return any(member.random for member in self.members)

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        """The members' answers, [B, N, C]; each draws noise of its own."""
        return torch.stack([member.combine(member.readouts(images, noise)) for member in self.members], dim=1)

    def voting(self, logits: Tensor) -> Tensor:
        """All members take part: [B, N, C]."""
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        """The mean of the members' answers, [B, C]."""
        return logits.mean(dim=1)
