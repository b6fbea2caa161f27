"""What is saved beside a picture."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.files import load_image, quantise, to_tensor
from generator.optimisers.loop import Step
from generator.priors.bounds import Free, FromImage
from generator.priors.making import make_prior
from generator.priors.prior import Prior
from generator.production.exports import Recorder, save_frames, save_json, save_layers, spectrum_report
from tests.generator.standins import rng

SIZE = (10, 14)
RESOLUTIONS = (1, 2, 4, 9)


def prior(bound: Any = None, batch: int = 2) -> Prior:
    return make_prior(
        *("image_space", bound or Free(), RESOLUTIONS, SIZE),
        batch=batch,
        start_std=0.6,
        start_resolution=9,
        rng=rng(3),
    )


def saved(path: Path) -> Tensor:
    return to_tensor(load_image(path))


def test_layers_by_themselves_and_together(tmp_path: Path) -> None:
    made = prior()
    save_layers(made, tmp_path / "layers")
    names = [f"{kind}-{i}-{r:04d}.png" for kind in ("layer", "upto") for i in (1, 2) for r in RESOLUTIONS]
    assert sorted(path.name for path in (tmp_path / "layers").iterdir()) == sorted(names)
    assert torch.equal(saved(tmp_path / "layers/upto-2-0009.png"), quantise(made.render()[1:]))
    third = made.layer_images()[4][:1]
    visible = (1 + (third * 0.5 / third.square().mean().sqrt()).tanh()) / 2
    assert (saved(tmp_path / "layers/layer-1-0004.png") - visible).abs().max() < 0.51 / 255
    two = made.render_layers([1, 2])
    assert torch.equal(saved(tmp_path / "layers/upto-1-0002.png"), quantise(two[:1]))


def test_a_photo_is_in_what_is_together_and_not_in_the_layers(tmp_path: Path) -> None:
    photo = torch.zeros(1, 3, *SIZE)
    made = prior(FromImage(photo), batch=1)
    save_layers(made, tmp_path)
    assert (saved(tmp_path / "upto-0001.png") < 0.1).all()
    assert saved(tmp_path / "layer-0001.png").mean() > 0.2
    assert len(list(tmp_path.iterdir())) == 2 * len(RESOLUTIONS)


def test_spectrum_of_each_image_and_of_a_photo(tmp_path: Path) -> None:
    made = prior()
    photo = torch.rand(1, 3, 40, 50, generator=rng())
    report = spectrum_report(made, photo)
    assert [one["layers"]["resolutions"] for one in report["images"]] == [(2, 4, 9)] * 2
    layer = made.layer_images()[4][1]
    expected = layer.double().var((1, 2), correction=0).mean().item()
    assert report["images"][1]["layers"]["variances"][1] == pytest.approx(expected)
    assert report["photo"]["layers"]["resolutions"] == (2, 4, 9)
    assert report["photo"]["fourier"]["fit"]["slope"] == pytest.approx(0, abs=0.5)  # white noise
    save_json(report, tmp_path / "new" / "s.json")
    assert json.loads((tmp_path / "new" / "s.json").read_text())["images"][0]["layers"]["fit"]["slope"] is not None
    assert "photo" not in spectrum_report(made)
    with pytest.raises(StudioError, match="too few"):
        spectrum_report(made, photo[..., :5, :5])


class Steps:
    """Steps whose images are known: image i after step k is k / 200 + i / 4 all over."""

    def __init__(self, count: int, batch: int = 1) -> None:
        self.count, self.batch = count, batch

    def __iter__(self) -> Iterator[Step]:
        for index in range(1, self.count + 1):
            step = Step(index, self.count, {}, prior())
            levels = index / 200 + torch.arange(self.batch) / 4
            step._image = levels.view(-1, 1, 1, 1).expand(-1, 3, *SIZE)
            yield step


def frames_of(path: Path) -> list[np.ndarray[Any, Any]]:
    with av.open(path) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_frames(tmp_path: Path) -> None:
    for step in Steps(2, batch=2):
        save_frames(step, tmp_path / "frames")
    names = ["frame-1-00001.png", "frame-1-00002.png", "frame-2-00001.png", "frame-2-00002.png"]
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == names
    assert saved(tmp_path / "frames/frame-2-00001.png").mean().item() == pytest.approx(0.255, abs=1 / 255)


def test_a_video_of_the_steps(tmp_path: Path) -> None:
    recorder = Recorder()
    for step in Steps(10, batch=2):
        recorder.add(step)
    recorder.save(tmp_path / "new" / "v.mp4")
    frames = frames_of(tmp_path / "new" / "v.mp4")
    assert len(frames) == 10 and frames[0].shape == (10, 28, 3)
    assert frames[9][:, :14].mean() == pytest.approx(255 * 0.05, abs=3)
    assert frames[9][:, 14:].mean() == pytest.approx(255 * 0.3, abs=3)


def test_a_long_video_drops_frames_and_keeps_the_last(tmp_path: Path) -> None:
    recorder = Recorder(max_bytes=8 * 3 * math.prod(SIZE))
    for step in Steps(101):
        recorder.add(step)
        assert len(recorder._frames) <= 8
    recorder.save(tmp_path / "v.mp4")
    frames = frames_of(tmp_path / "v.mp4")
    assert len(frames) == 101 // 16 + 1
    assert frames[-1].mean() == pytest.approx(255 * 101 / 200, abs=2)
    assert frames[0].mean() == pytest.approx(255 * 16 / 200, abs=2)


def test_what_cannot_be_saved_has_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot be made"):
        save_layers(prior(), tmp_path / "file")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(StudioError, match="cannot be written: it is a folder"):
        save_json({}, tmp_path / "folder.json")
