"""What `benchmarks.recognised` asks: what is to be drawn, who judges it, and the same of real photos."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from pydantic import JsonValue
from torch import Tensor

from benchmarks.imagenet_photos import labelled
from foundation.errors import StudioError
from foundation.files.folders import walk
from foundation.files.text_files import read_text, shown
from foundation.images.files import load_image, to_tensor
from foundation.intervals import Rate
from foundation.protocols import Classifier
from generator.classes.class_names import several_names
from generator.classes.labels import imagenet
from generator.classes.synonyms import imagenet_wordnet_ids
from generator.synthesis.answers import ask
from robust_model.data.datasets import centre_square
from robust_model.data.kinds import right_places

AMONG = 5
PROMPTS = Path(__file__).with_name("prompts.txt")
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Subject:
    """A thing to be drawn: what the drawer is told (a class or a prompt), and names of what counts as right."""

    told: str
    right: tuple[str, ...]

    def places(self, names: Sequence[str]) -> frozenset[int]:
        """The places among a judge's classes that count as right; empty where it knows no such thing."""
        return frozenset(place for name in self.right for place in right_places(names, name))


def read_prompts(path: Path = PROMPTS) -> list[Subject]:
    """The prompts of a text file, one a line: `a frog = bullfrog | tree frog`. StudioError for other lines."""
    found = []
    for number, line in enumerate(read_text(path, "prompts", most=_MOST_BYTES).splitlines(), start=1):
        prompt, equals, right = line.partition("=")
        if not line.strip() or line.startswith("#"):
            continue
        if not (equals and prompt.strip() and several_names(right)):
            raise StudioError(f"Line {number} of '{shown(path)}' is no prompt: write, for example, a frog = tree frog.")
        found.append(Subject(prompt.strip(), several_names(right)))
    if not found:
        raise StudioError(f"'{shown(path)}' has no prompts: write, for example, a frog = tree frog.")
    return found


def some(subjects: Sequence[Subject], count: int | None, seed: int) -> list[Subject]:
    """So many of them, drawn by a seed, in their order; all where `count` is None, or larger."""
    if count is None or count >= len(subjects):
        return list(subjects)
    chosen = random.Random(seed).sample(range(len(subjects)), count)
    return [subjects[place] for place in sorted(chosen)]


@dataclass
class Tally:
    """How often a judge named pictures right."""

    first: int = 0
    among_five: int = 0
    total: int = 0
    unknown: int = 0
    """Pictures of what the judge knows no class for, which are not among `total`."""

    def add(self, right: frozenset[int], top: Sequence[int]) -> None:
        """Count a picture for which the classes at `right` count, and the judge's first five are `top`."""
        if not right:
            self.unknown += 1
            return
        self.total += 1
        self.first += top[0] in right
        self.among_five += bool(right & set(top))

    def miss(self, right: frozenset[int]) -> None:
        """Count a picture that could not be drawn."""
        self.add(right, [-1])

    @property
    def rates(self) -> tuple[Rate, Rate]:
        """How often the right name came first, and among five."""
        return Rate(self.first, self.total), Rate(self.among_five, self.total)

    def to_json(self) -> dict[str, JsonValue]:
        """Both rates with their 95 % intervals."""
        first, among_five = self.rates
        return {"first": first.to_json(), "among_five": among_five.to_json(), "unknown_to_judge": self.unknown}

    def cells(self) -> list[str]:
        """Its part of a table's row: both rates, as "7 of 40 (18%, 9% to 32%)", and what is unknown."""
        return [*map(str, self.rates), str(self.unknown)]


@dataclass(frozen=True)
class OfPhotos:
    """What a judge says of photos of one side, in pixels."""

    side: int
    judge: str
    tally: Tally

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        return {"side": self.side, "judge": self.judge, **self.tally.to_json()}


@dataclass(frozen=True)
class Judge:
    """Somebody who says what a picture shows, and never drew it."""

    name: str
    model: Classifier
    _right: dict[Subject, frozenset[int]] = field(default_factory=dict)

    def right(self, subject: Subject) -> frozenset[int]:
        """The places of its classes that count as right for a subject."""
        if subject not in self._right:
            self._right[subject] = subject.places(self.model.class_names)
        return self._right[subject]

    def top(self, image: Tensor) -> list[int]:
        """The places of its first five classes for an image [1, 3, H, W] in [0, 1], the likeliest first."""
        passes = ask(self.model, image).passes[:, 0].double().softmax(dim=1).mean(dim=0)
        return passes.topk(min(AMONG, len(passes))).indices.tolist()

    def name_of(self, place: int) -> str:
        """What the class at a place is called."""
        return self.model.class_names[place]


def photos_in(folder: Path, most: int) -> list[tuple[Path, Subject]]:
    """Photos with what they show: files `nXXXXXXXX_name.JPEG`, or files in folders that are called by their class.

    Of more than `most` so many, evenly spread over the classes' order. StudioError for a folder without any.
    """
    labels = imagenet().labels
    found = [(path, Subject(labels[place], (labels[place],))) for path, place in labelled(folder)]
    if not found:
        by_number = dict(zip(imagenet_wordnet_ids(), labels, strict=True))
        for path in walk(folder, deep=True).pictures:
            first = path.relative_to(folder).parts[0]
            if path.parent != folder:
                name = by_number.get(first, first)
                found.append((path, Subject(name, (name,))))
    if not found:
        raise StudioError(
            f"'{shown(folder)}' has no photos in folders that are called by their class, and none called "
            "nXXXXXXXX_anything.JPEG: name another folder."
        )
    step = max(1.0, len(found) / most)
    return [found[int(step * number)] for number in range(min(most, len(found)))]


def shrunk(path: Path, side: int) -> Tensor:
    """The middle square of a photo [1, 3, side, side], as sharp as so many pixels can be."""
    return to_tensor(centre_square(load_image(path), side))


@torch.no_grad()
def judge_photos(
    photos: Sequence[tuple[Path, Subject]], judges: Sequence[Judge], sides: Sequence[int]
) -> list[OfPhotos]:
    """What the judges say of photos of each side."""
    rows = []
    for side in sides:
        tallies = {judge.name: Tally() for judge in judges}
        for path, subject in photos:
            image = shrunk(path, side)
            for judge in judges:
                tallies[judge.name].add(judge.right(subject), judge.top(image))
        rows += [OfPhotos(side, name, tally) for name, tally in tallies.items()]
    return rows


def square(path: Path, side: int) -> Tensor:
    """A picture scaled to a square [3, side, side], for a sheet."""
    return to_tensor(load_image(path).resize((side, side), Image.Resampling.LANCZOS))[0]
