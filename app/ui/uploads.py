"""Pictures that visitors bring: checked, made into plain RGB and kept under a name of our own."""

from pathlib import Path

from PIL import Image

from generator.image import load_image, pixel_digest, save_png

EXAMPLE_SUFFIXES = (".png", ".jpg", ".jpeg")


def keep_upload(path: str | Path, folder: Path) -> tuple[Path, Image.Image]:
    """Read a picture and keep its pixels as a PNG named after them; the name it came with is not used.

    Returns where it is kept, and the picture.

    Raises:
        ImageError: it cannot be read; the message says why.
    """
    picture = load_image(path)
    return keep_picture(picture, folder), picture


def keep_picture(picture: Image.Image, folder: Path) -> Path:
    """Keep the pixels of an RGB picture as a PNG named after them; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{pixel_digest(picture)}.png"
    if not target.is_file():
        save_png(picture, target)
    return target


def list_examples(folder: Path) -> list[Path]:
    """The example pictures, by name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EXAMPLE_SUFFIXES)
