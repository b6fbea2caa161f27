"""What a CLIP model may answer when it is used as a classifier: lists of labels, and captions of the user's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from foundation.files.text_files import printable, read_json, read_text
from generator.encoders.vocabulary import VOCABULARY_NAME

TEMPLATES = ("a photo of {a}", "a picture of {a}", "{name}")
"""The texts that stand for a label; {a} is its name with the indefinite article."""
AS_WRITTEN = ("{name}",)
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
"""The ten classes of CIFAR-10 in their order."""
MAX_LABELS = 10_000
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class LabelList:
    """The answers that a zero-shot classifier chooses from.

    StudioError for fewer than two, or more than `MAX_LABELS`, or for one that is there twice.
    """

    name: str
    labels: tuple[str, ...]
    templates: tuple[str, ...] = TEMPLATES

    def __post_init__(self) -> None:
        if not 2 <= len(self.labels) <= MAX_LABELS:
            raise StudioError(
                f"The list '{self.name}' has {len(self.labels)} labels: a choice needs from 2 to {MAX_LABELS:,}."
            )
        odd = next((label for label in self.labels if printable(label) != label), None)
        if odd is not None:
            raise StudioError(
                f"The list '{printable(self.name)}' has '{printable(odd)[:80]}', which is no text in UTF-8."
            )
        if len(set(self.labels)) < len(self.labels):
            repeated = next(label for i, label in enumerate(self.labels) if label in self.labels[:i])
            raise StudioError(f"The list '{self.name}' has '{repeated[:80]}' twice: keep it once.")

    def texts(self, label: str) -> tuple[str, ...]:
        """Return the texts whose embeddings stand for a label."""
        named = f"{'an' if label[:1].lower() in 'aeiou' else 'a'} {label}"
        return tuple(template.replace("{a}", named).replace("{name}", label) for template in self.templates)


def captions(texts: Sequence[str], name: str = "captions") -> LabelList:
    """Return captions as a list of labels; each is read by a model as it is written."""
    return LabelList(name, tuple(texts), AS_WRITTEN)


def read_captions(path: Path) -> LabelList:
    """Read captions from a text file in UTF-8, one on each line; empty lines don't count. Raises StudioError."""
    text = read_text(path, "captions", most=_MOST_BYTES)
    return captions([line.strip() for line in text.splitlines() if line.strip()], path.stem)


def cifar10() -> LabelList:
    """The ten classes of CIFAR-10 in their order."""
    return LabelList("cifar10", CIFAR10_CLASSES)


@cache
def imagenet() -> LabelList:
    """The 1,000 classes of ImageNet (ILSVRC 2012) in their order, by torchvision's names."""
    from torchvision.models import ResNet18_Weights

    return LabelList("imagenet", tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"]))


def tiny_clip() -> LabelList:
    """The things that the shipped CLIP model knows, each by its usual name."""
    path = ASSETS / "tiny-clip" / VOCABULARY_NAME
    try:
        things = [thing["names"][0] for thing in read_json(path)["things"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StudioError(f"The list '{path}' cannot be read ({error}): fetch the shipped models again.") from error
    return LabelList("tiny-clip", tuple(dict.fromkeys(things)))


LABEL_LISTS: Mapping[str, Callable[[], LabelList]] = {"cifar10": cifar10, "imagenet": imagenet, "tiny-clip": tiny_clip}
"""The built-in lists by name."""


def find_label_list(name: str) -> LabelList:
    """Return the built-in list called `name`, or the captions in the text file of that path. Raises StudioError."""
    if name in LABEL_LISTS:
        return LABEL_LISTS[name]()
    if Path(name).is_file():
        return read_captions(Path(name))
    raise StudioError(
        f"There is no list of labels '{name[:80]}': choose {', '.join(LABEL_LISTS)}, or the path of a text file with "
        "one caption on each line."
    )
