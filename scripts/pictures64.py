"""Puts the training images of `crossmax-imagenet64` together: a class folder of links, for all classes of ImageNet.

    python scripts/pictures64.py --tiny-imagenet tiny-imagenet-200 --imagenette imagenette/train \
        --photos imagenet-sample-images --out pictures-64

Tiny-ImageNet at 64 pixels has 500 images of each of 200 classes (as it is published: train/WNID/images), Imagenette
some 950 photos of each of ten (WNID), and there is one photo of each of the thousand (WNID_NAME.JPEG), which counts ten
times.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from foundation import torchvision_cure  # noqa: E402, F401 -- before timm, which imports torchvision
from foundation.command_line.program import Parser, answered, run_program  # noqa: E402
from foundation.errors import StudioError  # noqa: E402
from foundation.files.places import user_path  # noqa: E402
from robust_model.networks.packaged import PACKAGED  # noqa: E402

PHOTO_COUNTS = 10


def main() -> None:
    """Read the folders, and write the links."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny-imagenet", type=user_path, required=True, help="Tiny-ImageNet, as it is published")
    parser.add_argument("--imagenette", type=user_path, required=True, help="a folder of folders, one for each WNID")
    parser.add_argument("--photos", type=user_path, required=True, help="one photo of each class, WNID_NAME.JPEG")
    parser.add_argument("--out", type=user_path, required=True, help="where the class folder is made")
    options = parser.parse_args()
    import timm.data

    wnids = list(timm.data.ImageNetInfo().label_names())
    photos = {path.name.split("_")[0]: path for path in options.photos.glob("*.JPEG")}
    if missing := [wnid for wnid in wnids if wnid not in photos]:
        raise StudioError(f"In '{options.photos}' there is no photo of {len(missing)} classes, such as {missing[0]}.")
    if (options.out / "train").exists():
        raise StudioError(f"'{options.out}' has a folder 'train' already: name another place.")
    count = 0
    for name, wnid in zip(PACKAGED["lite0"].config.class_names, wnids, strict=True):
        folder = options.out / "train" / name.replace("/", "_")
        folder.mkdir(parents=True)
        links = {path.name: path for path in sorted((options.tiny_imagenet / "train" / wnid / "images").glob("*"))}
        links |= {f"nette-{path.name}": path for path in sorted((options.imagenette / wnid).glob("*"))}
        links |= {f"photo-{turn}.JPEG": photos[wnid] for turn in range(PHOTO_COUNTS)}
        for link, path in links.items():
            (folder / link).symlink_to(path.resolve())
        count += len(links)
    print(f"{count} images of {len(wnids)} classes")


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))
