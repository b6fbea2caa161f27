"""Victims: whatever answers a question about a picture, and is to be fooled, or not."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.files.text_files import printable
from foundation.protocols import Classifier, Encoder
from generator.classes.labels import LabelList
from generator.objectives.readout import ANSWER, MEAN, read_out
from generator.objectives.similarity import mean_direction
from generator.synthesis.answers import DRAWS, ask, is_layered, started
from generator.synthesis.models import Model
from generator.synthesis.words import knows_some
from generator.victims.verdicts import Verdicts, verdict_from

_PROBE = (32, 40)
_NAMED = 8
"""Labels or words that a sentence names."""


@runtime_checkable
class Victim(Protocol):
    """Whatever says what a picture shows."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def kind(self) -> str:
        """What it is, such as "classifier"."""
        ...

    @property
    def identity(self) -> str:
        """Differs between victims that may answer differently: what was stored under another is not its own."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers that it chooses from; () for one that answers in its own words."""
        ...

    @property
    def unknown(self) -> tuple[str, ...]:
        """The words of its labels that it never saw in training, as far as it is known."""
        ...

    @property
    def by_image(self) -> bool:
        """Whether what it says of an image is the same but for rounding, whichever it is asked about together with it.

        A model that draws random numbers draws others for the second image of a batch than for one that comes alone.
        """
        ...

    def look(self, images: Tensor, /) -> Verdicts:
        """Say what images [B, 3, H, W] in [0, 1] show. The same for the same images, whatever was asked before."""
        ...


class AsUsual:
    """What a victim is unless its class says else."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def by_image(self) -> bool:
        """Not known: it is asked about one image at a time."""
        return False


@runtime_checkable
class ScoringVictim(Victim, Protocol):
    """A victim whose scores can be followed back to the pixels."""

    def logits(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1] to logits [B, C] of its labels, differentiably."""
        ...


@dataclass(frozen=True, eq=False)
class ClassifierVictim(AsUsual):
    """A classifier as a victim; made by `classifier_victim`. One that draws random numbers starts anew at each look."""

    name: str
    classifier: Classifier
    identity: str
    draws: int = 1
    device: torch.device | str = "cpu"
    kind: str = "classifier"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes, as texts."""
        return tuple(map(printable, self.classifier.class_names))

    @property
    def by_image(self) -> bool:
        """If it draws no random numbers."""
        return self.draws == 1

    @torch.no_grad()
    def look(self, images: Tensor, /) -> Verdicts:
        """Say what images [B, 3, H, W] show: probabilities averaged over `draws` passes; and every read-out."""
        said = ask(self.classifier, images.to(self.device), self.draws)
        if said.readouts is None:
            return tuple(verdict_from(said.passes[:, i], self.labels) for i in range(len(images)))
        names = self.classifier.readout_names if is_layered(self.classifier) else ()
        return tuple(
            verdict_from(said.passes[:, i], self.labels, said.readouts[:, i], names) for i in range(len(images))
        )

    def logits(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] to logits [B, C], in one pass."""
        return started(self.classifier)(images.to(self.device))

    def through(self, readout: str) -> "ClassifierVictim":
        """Return the same network seen through a read-out: "answer", "mean" (of all), or one by its name.

        StudioError if there is no such read-out.
        """
        if readout == ANSWER:
            return self
        seen = read_out(self.classifier, readout)
        return ClassifierVictim(f"{self.name} ({readout})", seen, f"{self.identity}:{readout}", self.draws, self.device)


@dataclass(frozen=True, eq=False)
class ZeroShotVictim(AsUsual):
    """A CLIP model that chooses among labels or captions (Radford et al., arXiv 2103.00020, section 3.1).

    A label's direction is the mean of the unit embeddings of its texts; logits are the cosines to these directions
    times the model's learned scale. `unknown` are the words of the labels that the model never saw in training. Made
    by `zero_shot_victim`.
    """

    name: str
    encoder: Encoder
    labels: tuple[str, ...]
    directions: Tensor
    identity: str
    device: torch.device | str = "cpu"
    kind: str = "zero-shot"
    unknown: tuple[str, ...] = ()

    @property
    def by_image(self) -> bool:
        """True."""
        return True

    @torch.no_grad()
    def look(self, images: Tensor, /) -> Verdicts:
        """Say which of the labels fits images [B, 3, H, W] best."""
        return tuple(verdict_from(row[None], self.labels) for row in self.logits(images))

    def logits(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] to logits [B, C] of the labels."""
        seen = self.encoder.encode_images(images.to(self.device))
        return self.encoder.logit_scale * seen @ self.directions.to(seen).T


@torch.no_grad()
def classifier_victim(name: str, classifier: Classifier, device: torch.device | str = "cpu") -> ClassifierVictim:
    """Return a classifier on `device` as a victim.

    Two passes over a fixed picture tell whether it draws random numbers, and then its answers are means over
    `DRAWS` passes; the first of them is its fingerprint, so that another model, or the same with other weights,
    has another identity.
    """
    probe = _probe(device)
    judge = started(classifier)
    first, second = judge(probe), judge(probe)
    draws = 1 if torch.equal(first, second) else DRAWS
    return ClassifierVictim(
        name, classifier, _identity("classifier", tuple(map(printable, classifier.class_names)), first), draws, device
    )


@torch.no_grad()
def zero_shot_victim(
    name: str, encoder: Encoder, label_list: LabelList, device: torch.device | str = "cpu"
) -> ZeroShotVictim:
    """Return a CLIP model on `device` as a victim that chooses from a list; its name is "model=list".

    StudioError for labels of which the model knows no word: they would be answers like any other, and mean nothing.
    """
    _check_known(name, encoder, label_list)
    unknown = dict.fromkeys(word for label in label_list.labels for word in encoder.unknown_words(label))
    directions = []
    for label in label_list.labels:
        embedded = encoder.encode_text(label_list.texts(label))
        directions.append(mean_direction(embedded))
    stacked = torch.stack(directions)
    scored = encoder.logit_scale * encoder.encode_images(_probe(device)) @ stacked.to(device).T
    identity = _identity("zero-shot", label_list.labels, scored)
    called = f"{name}={label_list.name}"
    return ZeroShotVictim(called, encoder, label_list.labels, stacked, identity, device, unknown=tuple(unknown))


def _check_known(name: str, encoder: Encoder, label_list: LabelList) -> None:
    """Refuse labels that say nothing to an encoder."""
    strange = [label for label in label_list.labels if not knows_some(encoder, label)]
    if strange:
        named = ", ".join(f"'{label[:60]}'" for label in strange[:_NAMED])
        more = f" and {len(strange) - _NAMED:,} more" if len(strange) > _NAMED else ""
        raise StudioError(
            f"The model '{name}' never saw any word of {named}{more} (list '{label_list.name}'), so it cannot choose "
            "them: give texts in words that it knows (its card lists them), or leave it out."
        )


def unknown_note(victim: Victim) -> str:
    """Return a sentence on the words that a victim chooses among and never saw in training; "" if there are none."""
    words = victim.unknown
    if not words:
        return ""
    named = ", ".join(f"'{word}'" for word in words[:_NAMED])
    more = f" and {len(words) - _NAMED:,} more" if len(words) > _NAMED else ""
    return f"{victim.name} never saw {named}{more} in training: its answers mean little where these words matter."


@dataclass(frozen=True)
class VictimKind:
    """A kind of victim: which models are one, and how.

    Attributes:
        takes: whether it is made of such a model; the kind that was added last makes one that several take.
        make: makes it of a name, a model, a list of labels and a device.
        needs_labels: whether it chooses from a list of labels, and has no answers of its own.
        says: what tables say of one with so many labels, beside its name.
    """

    takes: Callable[[Model], bool]
    make: Callable[[str, Model, LabelList | None, torch.device | str], Victim]
    needs_labels: bool = False
    says: Callable[[int], str] = lambda _labels: ""


def _classifier(name: str, model: Model, _label_list: LabelList | None, device: torch.device | str) -> Victim:
    assert not isinstance(model, Encoder)
    return classifier_victim(name, model, device)


def _zero_shot(name: str, model: Model, label_list: LabelList | None, device: torch.device | str) -> Victim:
    assert isinstance(model, Encoder)
    if label_list is None:
        raise ValueError(f"the encoder '{name}' needs a list of labels to be a victim")
    return zero_shot_victim(name, model, label_list, device)


VICTIMS: dict[str, VictimKind] = {
    "classifier": VictimKind(lambda model: not isinstance(model, Encoder), _classifier),
    "zero-shot": VictimKind(
        lambda model: isinstance(model, Encoder),
        _zero_shot,
        needs_labels=True,
        says=lambda labels: f"chooses from {labels} texts",
    ),
}
"""Every kind of victim by its name, which is the `kind` of such a victim."""


def victim_kind(model: Model) -> VictimKind:
    """The kind of victim that a model is."""
    return next(kind for kind in reversed(VICTIMS.values()) if kind.takes(model))


def victim_of(name: str, model: Model, label_list: LabelList | None, device: torch.device | str = "cpu") -> Victim:
    """Return a model as a victim; an encoder needs a list of labels (ValueError), a classifier has its own."""
    return victim_kind(model).make(name, model, label_list, device)


def said_of(kind: str, labels: int) -> str:
    """What tables say of a victim of a kind with so many labels; "" where there is nothing to say."""
    return VICTIMS[kind].says(labels) if kind in VICTIMS else ""


def guiding(victim: ScoringVictim) -> ScoringVictim:
    """Return the victim as gradients should see it: a layered classifier through the mean of its read-outs.

    CrossMax sets the winner's score to zero, where its gradient vanishes (see `generator.objectives.readout`).
    """
    if isinstance(victim, ClassifierVictim) and is_layered(victim.classifier):
        return victim.through(MEAN)
    return victim


def _probe(device: torch.device | str) -> Tensor:
    """A fixed picture with edges and gradients, for telling models apart."""
    height, width = _PROBE
    rows = torch.linspace(0, 1, height)[:, None].expand(height, width)
    columns = torch.linspace(0, 1, width)[None].expand(height, width)
    checks = ((torch.arange(height)[:, None] // 4 + torch.arange(width)[None] // 4) % 2).float()
    return torch.stack([rows, columns, checks])[None].to(device)


def _identity(kind: str, labels: Sequence[str], logits: Tensor) -> str:
    digest = hashlib.sha256("\n".join([kind, *labels]).encode())
    digest.update(logits.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
