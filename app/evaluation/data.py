"""The images on which a model can be evaluated here, by names that a browser may send, and how they are read.

A browser names data, never places: data sets are those that lie in the data directory, pictures are digests of uploads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from app.evaluation.order import DataChoice, LabelledUpload
from app.records.params import LabelledPicture
from app.visitors.data_dir import DataDir
from app.visitors.upload_files import list_examples
from foundation.command_line.program import called
from foundation.errors import StudioError
from foundation.files.folders import folders_in
from foundation.images.files import load_image
from generator.classes.labels import CIFAR10_CLASSES
from robust_model.data.class_folders import Split, class_files, split_folder
from robust_model.data.class_folders import class_names as classes_in
from robust_model.data.class_match import by_name, listed, places_of
from robust_model.data.datasets import (
    CIFAR100_CLASSES,
    LabelledImages,
    centre_square,
    class_folder,
    load_data,
    synthetic,
)
from robust_model.networks.plain import DEFAULT_SIDE

OWN, RESULTS, EXAMPLES = "own", "results", "examples"
PICTURES: Mapping[str, str] = {OWN: "own images", RESULTS: "results", EXAMPLES: "example drawings"}
"""Data whose images come with the job, and what a report calls them."""
SYNTHETIC, SYNTHETIC_COUNT = "synthetic", 512
FOLDER = "dataset:"
_SPLIT: Split = "test"
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class NamedSet:
    """A data set that torchvision reads: the folder it unpacks to, how much there is to fetch, and its classes."""

    title: str
    folder: str
    megabytes: int
    class_names: tuple[str, ...]
    count: int = 10_000


NAMED: Mapping[str, NamedSet] = {
    "cifar10": NamedSet("CIFAR-10", "cifar-10-batches-py", 170, CIFAR10_CLASSES),
    "cifar100": NamedSet("CIFAR-100", "cifar-100-python", 169, CIFAR100_CLASSES),
}


@dataclass(frozen=True)
class EvaluationData:
    """What lies in a data directory, and what came with the program.

    Attributes:
        data: where uploads and data sets are.
        examples: folder of example pictures, named after what they show.
    """

    data: DataDir
    examples: Path

    def choices(self, class_names: Sequence[str]) -> list[DataChoice]:
        """All data for a model with these classes; those that can be used at once first."""
        found = [
            *self._folders(class_names),
            *(self._named(name, known) for name, known in NAMED.items() if _fit(known.class_names, class_names)),
            self._examples(class_names),
            DataChoice(
                OWN,
                "My own images",
                "Images that you bring, each with the class that you say it shows. Of one that is not square the "
                "middle is taken, scaled to what the model sees.",
                pictures="own",
            ),
            DataChoice(
                RESULTS,
                "My results",
                "Pictures that you made here. One that was drawn for a class has it as its label; choose the others'. "
                "They were made to please a model: this tells how firmly it holds on to them, not how well it knows "
                "photos.",
                pictures="results",
            ),
            self._synthetic(class_names),
        ]
        return sorted(found, key=lambda choice: bool(choice.why_not) + bool(choice.note))

    def _folders(self, class_names: Sequence[str]) -> Iterable[DataChoice]:
        for folder in data_sets(self.data).values():
            place = split_folder(folder, _SPLIT)
            said, problem, note = f"The test images in the folder '{folder.name}' of the data sets", "", "not usable"
            count = 0
            try:
                names = classes_in(folder, _SPLIT)
                said += f": {listed(names)}"
                count, note = len(class_files(folder, _SPLIT).files), "other classes"
                places_of(names, class_names)
            except StudioError as error:
                problem = str(error)
                if note == "other classes":
                    problem += f" Name the folders in '{place}' as the model's classes are called."
            note = note if problem else ""
            yield DataChoice(FOLDER + folder.name, folder.name, f"{said}.", count or None, note, problem)

    def _named(self, name: str, known: NamedSet) -> DataChoice:
        said = f"{known.title}'s test set: {known.count:,} photos of {len(known.class_names)} classes."
        if (self.data.datasets / known.folder).is_dir():
            return DataChoice(name, known.title, said, known.count)
        said += (
            f" It is not on this machine yet. With a network it is downloaded when the evaluation starts "
            f"({known.megabytes} MB). Without one, put the unpacked folder {known.folder} into '{self.data.datasets}', "
            f"or any test images of these classes as NAME/{_SPLIT}/CLASS/FILE."
        )
        return DataChoice(name, known.title, said, known.count, note=f"needs a download, {known.megabytes} MB")

    def _examples(self, class_names: Sequence[str]) -> DataChoice:
        pictures = self._drawings(class_names)
        title = f"{_word(len(pictures))} example drawings"
        labels = listed([path.stem for path in pictures])
        return DataChoice(
            EXAMPLES,
            title,
            f"Drawings that came with the program, labelled by what they show: {labels}. A first look; no photos."
            if pictures
            else "Drawings that came with the program.",
            len(pictures),
            note="" if pictures else "other classes",
            why_not="" if pictures else "None of them shows a class that this model knows. Bring images of your own.",
            whole=True,
        )

    def _synthetic(self, class_names: Sequence[str]) -> DataChoice:
        own = synthetic(_SPLIT, count=4).class_names
        fits = _fit(own, class_names)
        return DataChoice(
            SYNTHETIC,
            "Synthetic gratings",
            "A toy set that is drawn by rule: coloured stripes in noise. It shows that everything works, no more.",
            SYNTHETIC_COUNT,
            note="" if fits else "other classes",
            why_not=""
            if fits
            else "This model does not know gratings: the synthetic set fits only models that were trained on it.",
        )

    def images(
        self, choice: str, class_names: Sequence[str], brought: Sequence[LabelledUpload], owner: str
    ) -> tuple[LabelledPicture, ...]:
        """What a visitor's job is told of pictures that come with it: their digests and labels; empty for data sets.

        StudioError if one of them is no longer here.
        """
        if choice == EXAMPLES:
            brought = [
                LabelledUpload(self.data.uploads.bring(path, owner)[0].digest, path.stem)
                for path in self._drawings(class_names)
            ]
        for image in brought:
            self.data.upload(image.digest, owner)
        return tuple(LabelledPicture(digest=image.digest, label=image.label) for image in brought)

    def _drawings(self, class_names: Sequence[str]) -> list[Path]:
        return [path for path in list_examples(self.examples) if path.stem in class_names]


def load_images(
    data: DataDir,
    name: str,
    images: Sequence[LabelledPicture] | None,
    class_names: Sequence[str],
    side: int | None,
    owner: str = "local",
) -> LabelledImages:
    """The images called ``name`` for a model with these classes, at ``side`` pixels (None: as they are).

    Args:
        data: where uploads and data sets are.
        name: as a ``DataChoice`` has it; ``synthetic:COUNT`` too.
        images: for pictures that come with a job, what ``EvaluationData.images`` said of them.
        class_names: the model's; the labels count them.
        side: of the images that the model sees.
        owner: whose job it is: the pictures are taken from this visitor's.

    Raises:
        StudioError: there are no such images, they cannot be read, or their classes are not the model's.
    """
    classes = tuple(class_names)
    if name in PICTURES:
        return _pictures(data, images, name, classes, side or DEFAULT_SIDE, owner)
    if name.startswith(FOLDER):
        folder = data_sets(data).get(name.removeprefix(FOLDER))
        if folder is None:
            raise StudioError("This data set is no longer in the data directory: choose another.")
        return by_name(class_folder(folder, _SPLIT, side), classes)
    if name.partition(":")[0] == SYNTHETIC:
        return by_name(load_data(name, _SPLIT), classes)
    if name in NAMED:
        return _named_set(data, name, classes)
    raise StudioError(
        "Jobs use the named data sets only, those in the data directory and uploads; for another folder, use the "
        f"command {called('robust_model')}."
    )


def data_sets(data: DataDir) -> dict[str, Path]:
    """The folders of labelled images that somebody put into the data directory, by name."""
    entries = folders_in(data.datasets) if data.datasets.is_dir() else []
    return {entry.name: entry for entry in entries if split_folder(entry, _SPLIT).is_dir()}


def _named_set(data: DataDir, name: str, classes: tuple[str, ...]) -> LabelledImages:
    try:
        found = load_data(name, _SPLIT, root=data.datasets)
    except StudioError as error:
        known = NAMED[name]
        raise StudioError(
            f"{known.title} is not here and could not be downloaded. With a network, try again; without one, put "
            f"the unpacked folder {known.folder} into '{data.datasets}'."
        ) from error
    return by_name(found, classes)


def _pictures(
    data: DataDir,
    images: Sequence[LabelledPicture] | None,
    name: str,
    classes: tuple[str, ...],
    side: int,
    owner: str,
) -> LabelledImages:
    if not images:
        raise StudioError("No image has a label yet: bring some, and choose what each shows.")
    pixels, labels = [], []
    for image in images:
        if image.label not in classes:
            raise StudioError(f"The model knows no class called {image.label!r}. Choose one of: {listed(classes)}.")
        pixels.append(np.asarray(centre_square(load_image(data.upload(image.digest, owner)), side)))
        labels.append(classes.index(image.label))
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return LabelledImages(stacked, torch.tensor(labels), classes, PICTURES[name])


def _fit(names: Sequence[str], class_names: Sequence[str]) -> bool:
    """Whether data of these classes can be evaluated by a model of those: each is one of the model's, by its name."""
    try:
        places_of(names, class_names)
    except StudioError:
        return False
    return True


def _word(count: int) -> str:
    return (_NUMBERS[count] if count < len(_NUMBERS) else str(count)).capitalize()
