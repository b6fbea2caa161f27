"""Published classifiers: known without their weights, which are fetched, found and loaded as their libraries do."""

import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save
from torch import nn
from torchvision import models

from foundation.catalogue.entry import ModelInfo, NoModelError
from foundation.catalogue.fetching import fetch_missing
from foundation.downloads.download import DownloadStopped
from foundation.errors import StudioError
from foundation.protocols import JobContext
from generator.classes.labels import imagenet
from generator.encoders import hub
from robust_model.weights.checkpoint import file_digest
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.published import LIBRARIES, Published
from robust_model.zoo.subjects import load_subject
from tests.generator.encoders.server import Site, serving
from tests.generator.encoders.tiny import Recorder
from tests.robust_model.published import TIMM, TIMM_FILE, empty_hub, put_timm, timm_weights

SQUEEZENET = "torchvision:squeezenet1_1"


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_hub(tmp_path, monkeypatch)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server in the place of the hub."""
    with serving(Site()) as served:
        real = hub.huggingface_hub.hf_hub_url

        def url(repository: str, name: str, endpoint: str | None = None) -> str:
            return real(repository, name, endpoint=endpoint or served.address)

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub.huggingface_hub, "hf_hub_url", url)
        monkeypatch.setattr(hub.huggingface_hub, "get_token", lambda: None)
        yield served


def published(name: str) -> Published:
    library, _, rest = name.partition(":")
    return LIBRARIES[library](rest)


def describe(name: str) -> ModelInfo:
    return open_catalogue(strangers=True).find(name)


def load(name: str) -> Any:
    return open_catalogue(strangers=True).load(name)


def test_what_is_known_without_weights(checkpoints: Path) -> None:
    known = describe(SQUEEZENET)
    assert not known.ready and known.origin == "download" and known.why_not.endswith("first used (5 MB).")
    assert known.class_names == imagenet().labels and known.class_names[1] == "goldfish"
    assert "1,000 classes, sees 224 x 224" in known.description and known.revision == ""
    known = describe(TIMM)
    assert not known.ready and known.class_names == imagenet().labels and known.revision == ""
    larger = published("timm:convnext_tiny.fb_in22k").config.class_names
    assert len(larger) == 21841 and not set(larger) <= {f"class {number}" for number in range(len(larger))}


@pytest.mark.parametrize("name", ["timm:clip_vitb32", "timm:vit_base_patch16_dinov3", "timm:hf-hub:some/body", "timm:"])
def test_networks_that_are_no_classifiers(name: str) -> None:
    with pytest.raises(StudioError, match="timm has no pretrained classifier"):
        published(name)


def test_timm_loads_what_lies_here(checkpoints: Path) -> None:
    import timm

    path = put_timm(checkpoints, seed=3)
    known = describe(TIMM)
    assert known.ready and known.why_not == "" and known.revision == file_digest(path)
    model = load(TIMM)
    network: Any = timm.create_model("test_resnet", pretrained=False)
    network.load_state_dict(timm_weights(3))
    images = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    wanted = network.eval()((images - 0.5) / 0.5)
    torch.testing.assert_close(model(images), wanted)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert load_subject(TIMM).model.class_names == model.class_names


def test_torchvision_loads_what_lies_here(checkpoints: Path) -> None:
    torch.manual_seed(1)
    network = models.squeezenet1_1(weights=None).eval()
    content = io.BytesIO()
    torch.save(network.state_dict(), content)
    checkpoints.mkdir(parents=True)
    (checkpoints / "squeezenet1_1-b8a52dc0.pth").write_bytes(content.getvalue())
    assert describe(SQUEEZENET).ready
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    wanted = network((images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
    torch.testing.assert_close(load(SQUEEZENET)(images), wanted)


def test_weights_are_fetched_once_with_progress(checkpoints: Path, site: Site) -> None:
    place = "/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"
    site.files[place] = save(timm_weights())
    context = Recorder()
    catalogue = open_catalogue()
    model = catalogue.load(TIMM, context=context)
    assert (checkpoints / TIMM_FILE).read_bytes() == site.files[place]
    assert any(f"Downloading {TIMM}" in message for _, _, message in context.reports)
    assert catalogue.load(TIMM) is model and [path for path, _ in site.requests] == [place]
    assert catalogue.find(TIMM).ready


def test_torchvisions_weights_are_checked_and_a_stop_keeps_them(
    checkpoints: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights" * 1000
    digest = hashlib.sha256(content).hexdigest()[:8]
    place = f"/squeezenet1_1-{digest}.pth"
    site.files[place] = content
    weights = models.get_model_weights("squeezenet1_1").DEFAULT
    monkeypatch.setattr(type(weights.value), "__getattribute__", _with_url(site.address + place))
    with pytest.raises(DownloadStopped):
        published(SQUEEZENET).fetch(Recorder(stop_after=0))
    published(SQUEEZENET).fetch(None)
    assert (checkpoints / place[1:]).read_bytes() == content
    site.files[place] = b"other"
    (checkpoints / place[1:]).unlink()
    with pytest.raises(StudioError, match=r"torchvision:squeezenet1_1.*damaged"):
        published(SQUEEZENET).fetch(None)
    assert not (checkpoints / place[1:]).exists()


def _with_url(url: str) -> Callable[[Any, str], Any]:
    """Weights of torchvision with another address; they cannot be changed otherwise."""

    def get(self: Any, name: str) -> Any:
        return url if name == "url" else object.__getattribute__(self, name)

    return get


def test_what_cannot_be_fetched_gets_a_sentence(checkpoints: Path) -> None:
    for name in (TIMM, SQUEEZENET):
        with pytest.raises(StudioError, match=rf"'{name}' are not here and could not be downloaded.*HF_HUB_OFFLINE"):
            load(name)


def test_command_lines_fetch_with_progress(checkpoints: Path, site: Site) -> None:
    site.files["/timm/test_resnet.r160_in1k/resolve/main/model.safetensors"] = save(timm_weights())
    asked: list[str] = []

    class Foreground:
        thrown_away = False

        def run(
            self, kind: str, device: str, work: Callable[[JobContext], dict[str, Any]], *, quiet: bool = False
        ) -> dict[str, Any] | None:
            asked.append(kind)
            return None if self.thrown_away else work(Recorder())

        def say(self, text: str) -> None: ...

    impatient = Foreground()
    impatient.thrown_away = True
    with pytest.raises(StudioError, match="stopped"):
        fetch_missing(open_catalogue(), [TIMM], "cpu", impatient)
    for _ in range(2):
        fetch_missing(open_catalogue(), ["crossmax-cifar10", TIMM], "cpu", Foreground())
    assert asked == ["fetch", "fetch"] and (checkpoints / TIMM_FILE).is_file()


def test_robustbench_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "robustbench.utils", None)
    with pytest.raises(StudioError, match="pip install"):
        load_subject("robustbench:Standard")
    asked: list[dict[str, str]] = []

    def load_model(**options: str) -> nn.Module:
        asked.append(options)
        if options["model_name"] == "Nobody2020":
            raise KeyError("Nobody2020")
        if options["model_name"] == "Far2020":
            raise OSError("no network")
        classes = 1000 if options["dataset"] == "imagenet" else 10
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))

    utils: Any = ModuleType("robustbench.utils")
    utils.load_model = load_model
    monkeypatch.setitem(sys.modules, "robustbench", SimpleNamespace(utils=utils))
    monkeypatch.setitem(sys.modules, "robustbench.utils", utils)
    model = load_subject("robustbench:Standard").model
    assert asked == [{"model_name": "Standard", "dataset": "cifar10", "threat_model": "Linf"}]
    assert model.class_names[3] == "cat" and model.config.image_size == 32
    assert load_subject("robustbench:imagenet/Standard").model.class_names == imagenet().labels
    with pytest.raises(StudioError, match="no model 'Nobody2020'"):
        load_subject("robustbench:cifar10/Nobody2020")
    with pytest.raises(StudioError, match=r"Far2020.*could not be downloaded \(no network\)"):
        load_subject("robustbench:cifar10/Far2020")


def test_nothing_but_lists_and_what_is_published_is_found(tmp_path: Path) -> None:
    catalogue = open_catalogue(strangers=True)
    assert catalogue.find("crossmax-cifar10").ready
    names = (
        "nothing",
        "tests.robust_model.published:put_timm",
        "hf-hub:some/body",
        str(tmp_path),
        "ensemble:a+b",
        "timm",
    )
    for name in names:
        for typed in (False, True):
            with pytest.raises(NoModelError, match="There is no model"):
                catalogue.find(name, typed=typed)
