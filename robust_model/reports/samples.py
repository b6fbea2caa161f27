"""Sample images on the report page: clean, the change magnified, attacked, and what each read-out says of them.

Pictures come only from the report's own folder, as PNG, and go into the page as data URIs.
"""

import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from foundation.errors import StudioError
from robust_model.evaluation.record.schema import Sample
from robust_model.reports.markup import Markup, image, tag
from robust_model.reports.words import NOTHING

Pixels = npt.NDArray[np.float64]


def _read(folder: Path, name: str) -> bytes | None:
    """The PNG file `name` of the report's folder; None where it is gone. Raises StudioError for a file elsewhere."""
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root) or path.suffix.lower() != ".png":
        raise StudioError(
            f"The report names the picture '{name}', which is no PNG file inside its own folder '{folder}'."
        )
    return path.read_bytes() if path.is_file() else None


def _decode(data: bytes, name: str) -> Pixels:
    """A PNG's pixels [H, W, 3] in [0, 1]."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.float64) / 255
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise StudioError(f"The picture '{name}' of the report cannot be read ({error}): evaluate again.") from error


def magnified(clean: Pixels, adversarial: Pixels, eps: float) -> bytes:
    """The change between two pictures as a PNG: grey where there is none, black and white at -eps and +eps."""
    shown = np.clip(0.5 + (adversarial - clean) / (2 * max(eps, 1 / 255)), 0, 1)
    buffer = io.BytesIO()
    Image.fromarray(np.round(shown * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _pictures(sample: Sample, folder: Path, eps: float) -> Markup:
    clean, adversarial = _read(folder, sample.clean), _read(folder, sample.adversarial)
    if clean is None or adversarial is None:
        return tag("p", "Its pictures are no longer beside the report.", kind="lead")
    before, after = _decode(clean, sample.clean), _decode(adversarial, sample.adversarial)
    if before.shape != after.shape:
        raise StudioError(f"The pictures '{sample.clean}' and '{sample.adversarial}' of the report differ in size.")
    shown = (("clean", clean), ("change", magnified(before, after, eps)), ("attacked", adversarial))
    spans = (tag("span", image(_uri(data), f"{sample.label}, {what}"), tag("small", what)) for what, data in shown)
    return tag("div", *spans, kind="triple")


def sample_card(sample: Sample, folder: Path, eps: float) -> Markup:
    """One adversarial example. Raises StudioError for a picture outside `folder`, or a damaged one."""
    rows = (
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", sample.before.get(name, NOTHING)),
            tag("td", after),
            kind="fell" if after != sample.label else "",
        )
        for name, after in sample.after.items()
    )
    header = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in ("read-out", "before", "after"))))
    origin = tag("small", f"{sample.attack}, image {sample.index}")
    return tag(
        "article",
        _pictures(sample, folder, eps),
        tag("h3", sample.label, " ", origin),
        tag("table", header, tag("tbody", *rows)),
    )
