"""How many photos of ImageNet's classes the classifiers that know them name right.

    python -m benchmarks.imagenet_photos --photos FOLDER [--models lite0 lite1 lite2]

FOLDER holds photos called `nXXXXXXXX_anything.jpg` (or .JPEG, .png), as in the public collection of one photo for each
of the 1,000 classes (EliSchwartz/imagenet-sample-images): the WordNet number before the underscore is the label.
Each photo's shorter side is scaled to 8/7 of what a model sees, and the middle square of that is seen, as ImageNet's
evaluations do it. Prints a table with 95 % intervals (Wilson) and, with --json FILE, writes them.
"""

import argparse
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.places import result_file, user_path
from foundation.files.text_files import reason, shown
from foundation.images.files import load_image
from foundation.intervals import Rate
from generator.classes.labels import imagenet
from generator.classes.synonyms import imagenet_wordnet_ids
from robust_model.data.datasets import centre_square
from robust_model.zoo.subjects import load_subject

BATCH = 50
"""Photos that go through a model at once."""


def labelled(folder: Path) -> list[tuple[Path, int]]:
    """The photos of a folder with the numbers of their classes, by name. StudioError for what is no folder."""
    places = {wordnet: number for number, wordnet in enumerate(imagenet_wordnet_ids())}
    found = []
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise StudioError(f"The photos in '{shown(folder)}' cannot be read: {reason(error)}.") from error
    for file in files:
        match = re.match(r"(n\d{8})_", file.name)
        if match and match[1] in places and file.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            found.append((file, places[match[1]]))
    return found


def seen(file: Path, side: int) -> Tensor:
    """The middle square [3, side, side] of a photo, in [0, 1]."""
    larger = centre_square(load_image(file), round(side * 8 / 7))
    edge = (larger.width - side) // 2
    pixels = np.asarray(larger.crop((edge, edge, edge + side, edge + side)), dtype=np.float32)
    return torch.from_numpy(pixels / 255).permute(2, 0, 1)


@dataclass(frozen=True)
class Named:
    """How many of so many photos a model names right: first, and among five; and the interval of the first's share."""

    model: str
    photos: int
    top1: int
    top5: int
    low: float
    high: float

    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        first = f"{self.top1 / self.photos:.1%} ({self.low:.1%} to {self.high:.1%})"
        return self.model, first, f"{self.top5 / self.photos:.1%}"


@torch.no_grad()
def measure(name: str, photos: list[tuple[Path, int]]) -> Named:
    """How often the model `name` puts the right class first, and among five."""
    model = load_subject(name).model
    side = model.config.image_size
    first = among_five = 0
    for start in range(0, len(photos), BATCH):
        part = photos[start : start + BATCH]
        answers = model(torch.stack([seen(file, side) for file, _ in part])).topk(5, dim=1).indices
        right = answers == torch.tensor([label for _, label in part])[:, None]
        first += int(right[:, 0].sum())
        among_five += int(right.any(dim=1).sum())
    return Named(name, len(photos), first, among_five, *Rate(first, len(photos)).interval)


def main() -> None:
    """Measure, print a table, and write the results."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=user_path, required=True, help="the folder of photos")
    parser.add_argument(
        "--models", nargs="+", default=["lite0", "lite1", "lite2"], help="the models to ask (default: all three)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here")
    options = parser.parse_args()
    if len(imagenet().labels) != len(imagenet_wordnet_ids()):
        raise StudioError(
            "timm's list of ImageNet's classes is not the one that the models know: install another timm."
        )
    photos = labelled(options.photos)
    if not photos:
        raise StudioError(
            f"'{shown(options.photos)}' holds no photos called nXXXXXXXX_anything.jpg: name another folder."
        )
    rows = [measure(name, photos) for name in options.models]
    described = machine()
    print(", ".join(f"{key} {value}" for key, value in described.items()))
    print(table([("model", "first", "among five"), *(row.cells() for row in rows)]))
    if options.json:
        write_json(options.json, {"machine": described, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    run_benchmark(main)
