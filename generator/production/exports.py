"""What can be saved beside a picture: its layers, its spectrum, its steps as pictures and as a video."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor

from foundation.errors import StudioError
from foundation.files.text_files import write_json
from foundation.images.animation import save_video
from foundation.images.files import save_png
from generator.optimisers.loop import Step
from generator.priors.layers import band_pictures
from generator.priors.prior import Prior
from generator.priors.spectrum import LayerSpectrum, fourier_spectrum, layer_spectrum, photo_layer_spectrum

MAX_FRAME_BYTES = 256 << 20
"""Of the frames that a `Recorder` keeps; of a video that needs more, every second frame is dropped."""


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it is in; StudioError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(f"The folder '{folder}' cannot be made: {error.strerror or error}.") from error


def save_frames(step: Step, folder: Path) -> None:
    """Save the images after a step: frame-00001.png, or frame-1-00001.png and so on for several."""
    make_folder(folder)
    images = step.shown()
    for number, image in enumerate(images, start=1):
        save_png(image, folder / f"frame{_which(number, images)}-{step.index:05d}.png")


def save_layers(prior: Prior, folder: Path) -> None:
    """Save every layer of every image, by itself on grey and together with all coarser ones.

    The files are layer-0001.png and upto-0001.png for resolution 1, or layer-1-0001.png for the first of several
    images. A layer by itself has its contrast raised until it shows (see `generator.priors.layers`). What starts from a
    photo has it in every upto-*.png, and in no layer-*.png.
    """
    make_folder(folder)
    for shown in band_pictures(prior, [(resolution,) for resolution in prior.resolutions]):
        for kind, images in (("layer", shown.alone), ("upto", shown.cumulative)):
            for number, image in enumerate(images, start=1):
                save_png(image, folder / f"{kind}{_which(number, images)}-{shown.band[0]:04d}.png")


def _which(number: int, images: Tensor) -> str:
    return f"-{number}" if len(images) > 1 else ""


@torch.no_grad()
def spectrum_report(prior: Prior, photo: Tensor | None = None) -> dict[str, JsonValue]:
    """Return the spectra of a prior's images, and those of a photo [1, 3, h, w] to compare with, as JSON.

    "images" lists for each image "layers" (the variance of each resolution) and "fourier" (the power at each
    frequency), both with their log-log fit; "photo" is the same for the photo, in layers of the same resolutions.
    StudioError for a photo that is too small for that.
    """
    report: dict[str, JsonValue] = {"images": _spectra(layer_spectrum(prior), prior.render())}
    if photo is not None:
        photo = photo.to(prior.operator.device, prior.operator.dtype)
        report["photo"] = _spectra(photo_layer_spectrum(photo, prior.operator), photo)[0]
    return report


def _spectra(layers: tuple[LayerSpectrum, ...], images: Tensor) -> list[JsonValue]:
    return [
        {"layers": asdict(of_layers), "fourier": asdict(of_image)}
        for of_layers, of_image in zip(layers, fourier_spectrum(images), strict=True)
    ]


def save_json(value: Mapping[str, JsonValue], path: Path) -> None:
    """Save JSON; StudioError where that is not possible."""
    write_json(path, value, indent=1)


class Recorder:
    """Keeps the images of steps, several side by side, for a video of how they form."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._every = 1
        self._frames: dict[int, Tensor] = {}
        self._last: tuple[int, Tensor] | None = None

    def add(self, step: Step) -> None:
        """Take the images after a step. Of a long run every second, fourth... frame stays, and the last one."""
        images = (step.shown().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        frame = torch.cat(list(images), dim=2)
        self._last = step.index, frame
        if step.index % self._every == 0:
            self._frames[step.index] = frame
        if len(self._frames) * frame.numel() > self._max_bytes:
            self._every *= 2
            self._frames = {index: kept for index, kept in self._frames.items() if index % self._every == 0}

    def save(self, path: Path, *, seconds: float = 5.0) -> None:
        """Save a video that lasts about so many seconds. StudioError where that is not possible."""
        frames = [frame for _, frame in self._kept()]
        make_folder(path.parent)
        rate = min(60, max(1, round(len(frames) / seconds)))
        save_video((frame.float() / 255 for frame in frames), path, frames_per_second=rate)

    def _kept(self) -> Iterator[tuple[int, Tensor]]:
        yield from self._frames.items()
        if self._last is not None and self._last[0] not in self._frames:
            yield self._last
