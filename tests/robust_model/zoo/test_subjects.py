"""What can be evaluated: our models, other people's and a user's own, and what is said where they are not there."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.files.text_files import write_bytes
from generator.encoders.encoder import OpenClipEncoder
from robust_model.attacks import PgdConfig
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.reading import as_report
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.noise import FreshNoise, FrozenNoise, SilentNoise
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.reports import render_html
from robust_model.weights.checkpoint import save_tensors
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import ExportedModel
from robust_model.zoo.subjects import load_subject
from tests.robust_model.evaluated import evaluate_model, timeless
from tests.robust_model.zoo.grey import Grey


def plain(spread: float = 0.0, **settings: Any) -> PlainDefence:
    return PlainDefence(Grey(spread), PlainConfig(name="grey", class_names=("dark", "light"), **settings)).probed()


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 4, 6, generator=torch.Generator().manual_seed(1))


def test_a_plain_network_is_a_defence_of_one_predictor() -> None:
    defence, images = plain(), pictures()
    logits = defence.readouts(images)
    assert logits.shape == (3, 1, 2) and defence.readout_names == ("output",) and not defence.random
    assert torch.equal(defence.combine(logits), Grey()(images)) and torch.equal(defence.voting(logits), logits)
    leaf = images.clone().requires_grad_()
    defence.readouts(leaf, SilentNoise()).sum().backward()
    assert leaf.grad is not None and all(p.grad is None for p in defence.parameters())


def test_images_are_scaled_and_normalised() -> None:
    seen: list[Tensor] = []

    class Spy(Grey):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return super().forward(images)

    settings = PlainConfig(name="spy", class_names=("a", "b"), image_size=8, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.5))
    PlainDefence(Spy(), settings).readouts(torch.full((2, 3, 4, 6), 0.6))
    assert seen[0].shape == (2, 3, 8, 8)
    torch.testing.assert_close(seen[0][1, :, 2, 3], torch.tensor([1.0, 1.0, 0.6]))


def test_noise_of_the_global_generator_is_found_and_repeats() -> None:
    defence, images = plain(spread=0.1), pictures()
    assert defence.random
    state = torch.get_rng_state()

    def passes(seed: int) -> list[Tensor]:
        noise = FreshNoise(torch.Generator().manual_seed(seed))
        return [defence.readouts(images, noise) for _ in range(2)]

    first, second = passes(0)
    assert not torch.equal(first, second), "every pass has noise of its own"
    assert torch.equal(torch.stack(passes(0)), torch.stack([first, second]))
    assert not torch.equal(passes(1)[0], first)
    frozen = [defence.readouts(images, FrozenNoise(3)) for _ in range(2)]
    assert torch.equal(*frozen)
    assert torch.equal(torch.get_rng_state(), state), "the global generator was moved"


def test_a_random_plain_network_is_evaluated_by_votes_and_repeats() -> None:
    data = LabelledImages(
        torch.tensor([100, 140, 200]).byte().view(3, 1, 1, 1).expand(3, 3, 2, 4).contiguous(),
        torch.tensor([0, 1, 1]),
        ("dark", "light"),
        "greys",
    )
    config = EvalConfig(
        model="grey", data="greys", count=0, eps=0.1, draws=9, attacks=(PgdConfig(eps=0.1, steps=3, eot=2),)
    )
    first, second = (evaluate_model(config, plain(spread=0.02), data=data) for _ in range(2))
    assert timeless(first) == timeless(second)
    # The margins are 0.11, 0.05 and 0.28 in grey: with 0.1 the second falls for sure, and the third stands.
    assert first["clean"]["correct"] == 3 and first["defence"]["draws"] == 9
    assert first["per_image"]["standing"]["mean/ce"][1:] == [False, True]


class Proud(Grey):
    """A network that, like many, cannot take a batch without images."""

    def forward(self, images: Tensor) -> Tensor:
        assert len(images), "asked about nothing"
        return super().forward(images)


@pytest.mark.parametrize(("labels", "right"), [([1, 0, 0], 0), ([0, 1, 1], 3)])
def test_a_plain_network_of_which_nothing_is_left_has_a_report(labels: list[int], right: int) -> None:
    greys = torch.tensor([120, 135, 140]).byte().view(3, 1, 1, 1).expand(3, 3, 2, 4).contiguous()
    data = LabelledImages(greys, torch.tensor(labels), ("dark", "light"), "greys")
    attacks = (PgdConfig(eps=0.2, steps=2), PgdConfig(eps=0.2, steps=2, loss="margin"))
    config = EvalConfig(model="grey", data="greys", count=0, eps=0.2, draws=1, attacks=attacks, cascade=True)
    defence = PlainDefence(Proud(), PlainConfig(name="proud", class_names=("dark", "light"))).probed()
    report = evaluate_model(config, defence, data=data)
    assert report["complete"] and report["clean"]["correct"] == right and report["worst_case"]["accuracy"] == 0
    assert "<html" in render_html(as_report(report))


def test_settings_that_a_plain_network_lacks_are_refused() -> None:
    assert plain().with_noise("off").with_noise("fresh").random is False
    with pytest.raises(StudioError, match="random by itself"):
        plain(spread=0.1).with_noise("off")
    with pytest.raises(StudioError, match="nothing to combine"):
        plain().with_aggregator("mean")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user's; returns its name."""
    (tmp_path / "their_models.py").write_text(
        "import torch\n"
        "from tests.robust_model.zoo.grey import Grey\n"
        "def bare():\n    return Grey()\n"
        "def named():\n    return Grey(), ['dark', 'light']\n"
        "def wrong():\n    return 'a network'\n"
        "def many():\n    return Grey(), ['a', 'b', 'c']\n"
        "def picky():\n    return torch.nn.Linear(7, 2)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "their_models", raising=False)
    return "their_models"


def test_a_function_of_the_users_own(own: str) -> None:
    assert load_subject(f"{own}:bare").model.class_names == ("class 0", "class 1")
    subject = load_subject(f"{own}:named")
    assert subject.name == "their_models:named" and subject.folder is None
    assert subject.model.class_names == ("dark", "light")
    assert subject.model.config.image_size is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("their_models:wrong", "returned str"),
        ("their_models:many", r"3 classes need \(2, 3\)"),
        ("their_models:picky", "cannot take images"),
        ("their_models:nothing", "no function 'nothing'"),
        ("no_such_module:x", "no module 'no_such_module'"),
        ("nothing", "no model 'nothing'"),
        ("torchvision:no_such_net", "no classifier 'no_such_net'"),
        ("timm:no_such_net", "no pretrained classifier 'no_such_net'"),
        ("robustbench:svhn/x", "no data set 'svhn'"),
        ("ensemble:nothing+crossmax-cifar10", "no model 'nothing'"),
    ],
)
def test_what_is_not_there_gets_a_sentence(own: str, name: str, words: str) -> None:
    with pytest.raises(StudioError, match=words):
        load_subject(name)


def export(folder: Path, seed: int) -> Path:
    config = ModelConfig(class_names=("a", "b", "c"), widths=(4, 4), blocks=(1, 1), readout_depths=(1,))
    exported = ExportedModel(title="T", description="D", model=config)
    write_bytes(folder / "config.json", exported.model_dump_json().encode())
    save_tensors(folder / "model.safetensors", SelfEnsemble(config, seed=seed).state_dict(), {})
    return folder


def test_our_models_and_ensembles_of_them(tmp_path: Path) -> None:
    places = [export(tmp_path / name, seed) for seed, name in enumerate(("one", "two", "three"))]
    subject = load_subject(str(places[0]))
    assert (subject.name, subject.folder) == ("one", places[0]) and subject.model.config.image_size == 32
    ensemble = load_subject("ensemble:" + "+".join(map(str, places)))
    assert ensemble.name == "ensemble:one+two+three" and ensemble.folder is None
    assert ensemble.model.readout_names == ("member 1", "member 2", "member 3")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = ensemble.model.readouts(images)
    torch.testing.assert_close(logits[:, 0], subject.model.combine(subject.model.readouts(images)))
    assert load_subject("ensemble:one+two", catalogue=open_catalogue([tmp_path])).model.readout_names == (
        "member 1",
        "member 2",
    )
    assert ensemble.model.config.image_size == 32


def test_encoders_see_in_the_precision_that_somebody_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The loader, the catalogue, the variable, and else what is usual on the device: in this order."""

    def seen(precision: str = "", of_catalogue: str = "") -> str:
        encoder = open_catalogue((), tmp_path, precision=of_catalogue).load("tiny-clip", precision=precision)
        assert isinstance(encoder, OpenClipEncoder)
        return encoder.precision

    assert seen() == "fp32"
    assert seen(of_catalogue="bf16") == "bf16"
    monkeypatch.setenv("CROSSMAX_STUDIO_PRECISION", "bf16")
    assert seen() == "bf16"
    assert seen(of_catalogue="fp32") == "fp32"
    assert seen("fp32", of_catalogue="bf16") == "fp32"
    monkeypatch.setenv("CROSSMAX_STUDIO_PRECISION", "int8")
    with pytest.raises(StudioError, match="no precision 'int8': choose auto, fp32, bf16, fp16"):
        open_catalogue((), tmp_path)
