"""What happens to a picture between the one who saves it and the model that sees it.

Each step takes an 8-bit RGB picture and returns one, as programs do that open a file, change it and save it.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image, ImageFilter

from foundation.errors import StudioError
from foundation.images.files import MAX_PIXELS

Change = Callable[[Image.Image], Image.Image]
SAVED = "saved"
"""The name of the file itself, unchanged."""
_SCREEN_SCALE = 1.25
_PATCH_SHIFT = 7
_MOST_A_SIDE = {"JPEG": 65500, "WEBP": 16383}
"""Pixels along a side that a format can hold."""


class NotApplicableError(StudioError):
    """Something that cannot happen to a picture of that size: the message says why."""


@dataclass(frozen=True)
class Survival:
    """One thing that may happen to a picture, with a sentence on what it is.

    `apply` raises NotApplicableError where that would need a picture larger than any that is read (`MAX_PIXELS`), or
    than the format can hold. What is `usual` the page tries unless told otherwise.
    """

    description: str
    apply: Change
    usual: bool = False


def saved(picture: Image.Image) -> Image.Image:
    """The picture as it was saved."""
    return picture


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Compress to JPEG (4:2:0, as programs do by default) and open again."""
    return _through(picture, "JPEG", quality=quality)


def webp(picture: Image.Image, quality: int) -> Image.Image:
    """Compress to lossy WebP and open again."""
    return _through(picture, "WEBP", quality=quality)


def shrunk_and_back(picture: Image.Image, factor: float) -> Image.Image:
    """Shrink each side by a factor and enlarge it again (Lanczos, both ways)."""
    return _resized(shrunk(picture, factor), picture.size, Image.Resampling.LANCZOS)


def shrunk(picture: Image.Image, factor: float) -> Image.Image:
    """Shrink each side by a factor (Lanczos), as a preview is made."""
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return _resized(picture, (width, height), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """Keep the middle of the picture, this share of each side."""
    width, height = (max(1, round(side * share)) for side in picture.size)
    return _middle(picture, width, height)


def blurred(picture: Image.Image, sigma: float) -> Image.Image:
    """Blur by a Gaussian of this standard deviation in pixels."""
    return picture.filter(ImageFilter.GaussianBlur(sigma))


def screenshot(picture: Image.Image) -> Image.Image:
    """Show the picture at 125 %, capture that, save the capture as JPEG 90, and scale it back."""
    width, height = (max(1, round(side * _SCREEN_SCALE)) for side in picture.size)
    shown = _resized(picture, (width, height), Image.Resampling.BILINEAR)
    return _resized(jpeg(shown, 90), picture.size, Image.Resampling.BICUBIC)


def middle_square(picture: Image.Image, scaled: int, side: int) -> Image.Image:
    """Scale the shorter side to `scaled` (bilinear) and cut `side` x `side` out of the middle."""
    factor = scaled / min(picture.size)
    width, height = (max(side, round(length * factor)) for length in picture.size)
    return _middle(_resized(picture, (width, height), Image.Resampling.BILINEAR), side, side)


def squashed(picture: Image.Image, side: int) -> Image.Image:
    """Scale to a square whatever the proportions (bicubic)."""
    return _resized(picture, (side, side), Image.Resampling.BICUBIC)


def padded(picture: Image.Image) -> Image.Image:
    """Make the picture square by bars of its mean colour."""
    colour = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    side = max(picture.size)
    _check_area(side, side)
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def patches_shifted(picture: Image.Image) -> Image.Image:
    """Cut some columns off the left and rows off the top, so that every patch of a transformer moves."""
    left, top = (min(_PATCH_SHIFT, side // 4) for side in picture.size)
    return picture.crop((left, top, *picture.size))


SURVIVALS: Mapping[str, Survival] = {
    SAVED: Survival("The saved 8-bit file itself.", saved),
    "jpeg-95": Survival("JPEG of quality 95.", partial(jpeg, quality=95), usual=True),
    "jpeg-75": Survival("JPEG of quality 75, a usual default.", partial(jpeg, quality=75), usual=True),
    "jpeg-50": Survival("JPEG of quality 50.", partial(jpeg, quality=50), usual=True),
    "jpeg-30": Survival("JPEG of quality 30: visibly coarse.", partial(jpeg, quality=30)),
    "webp-80": Survival("WebP of quality 80, as web sites deliver.", partial(webp, quality=80)),
    "half": Survival("Scaled to half its sides: a preview.", partial(shrunk, factor=0.5), usual=True),
    "half-and-back": Survival("Scaled to half its sides and back.", partial(shrunk_and_back, factor=0.5)),
    "crop-90": Survival("The middle 90 % of each side.", partial(cropped, share=0.9), usual=True),
    "crop-75": Survival("The middle 75 % of each side.", partial(cropped, share=0.75)),
    "blur-1": Survival("Gaussian blur of 1 pixel.", partial(blurred, sigma=1.0), usual=True),
    "screenshot": Survival("Shown at 125 %, captured as JPEG 90, scaled back.", screenshot, usual=True),
    "middle-224": Survival(
        "Shorter side 256, middle 224 x 224: what torchvision's classifiers see.",
        partial(middle_square, scaled=256, side=224),
    ),
    "squash-224": Survival("Squashed to 224 x 224 whatever the proportions.", partial(squashed, side=224)),
    "pad-square": Survival("Made square by bars, as LLaVA does.", padded),
    "patch-shift": Survival("7 pixels cut off left and top: patches of transformers move.", patches_shifted),
}
"""Everything that may happen to a picture, by name."""


def find_survivals(names: Sequence[str]) -> dict[str, Survival]:
    """Return the steps called `names` ("all" for all of them), always with the file itself first.

    StudioError for a name that there is not.
    """
    wanted = [*SURVIVALS] if "all" in names else [SAVED, *names]
    unknown = [name for name in wanted if name not in SURVIVALS]
    if unknown:
        raise StudioError(f"There is no '{unknown[0]}' to survive: choose all, or some of {', '.join(SURVIVALS)}.")
    return {name: SURVIVALS[name] for name in dict.fromkeys(wanted)}


def _through(picture: Image.Image, kind: str, *, quality: int) -> Image.Image:
    most = _MOST_A_SIDE[kind]
    if max(picture.size) > most:
        raise NotApplicableError(f"{kind} holds at most {most:,} pixels a side, and this picture has {_size(picture)}.")
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, quality=quality)
    with Image.open(buffer, formats=(kind,)) as opened:
        return opened.convert("RGB")


def _resized(picture: Image.Image, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    _check_area(*size)
    return picture.resize(size, how)


def _check_area(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise NotApplicableError(
            f"The picture would have {width:,} x {height:,} pixels on the way; {MAX_PIXELS // 10**6} million are the "
            "most that any may have here."
        )


def _size(picture: Image.Image) -> str:
    return f"{picture.width:,} x {picture.height:,}"


def _middle(picture: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
