"""Adding what classifiers are made of, attacked with and asked as is one entry: a toy of each kind, put into its
registry at run time, is judged, run by the command line, reported, and shown by the page.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from app.evaluation.order import KnownReport
from app.evaluation.service import Evaluations
from app.ui.evaluation.markup import figures
from foundation.errors import StudioError
from foundation.jobs import Terminal
from generator.cli import main as cli
from robust_model.attacks import (
    ATTACKS,
    AttackBase,
    AttackKind,
    AttackOutcome,
    Defence,
    GradientConfig,
    PassCount,
    PgdConfig,
    attack_words,
)
from robust_model.attacks.gradients import GradientAttack
from robust_model.cli import main as robust_cli
from robust_model.evaluation.cost import passes_of
from robust_model.evaluation.masking.signs import direct_sources
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.reading import as_report, read_report
from robust_model.evaluation.suites import SUITES, Suite
from robust_model.evaluation.units import Bench
from robust_model.networks.backbones import BACKBONES, Backbone
from robust_model.networks.crossmax import AGGREGATORS, CrossMax, crossmax
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.networks import Chain
from robust_model.reports import render_html
from robust_model.reports.words import caveats, effort
from robust_model.training.adversary import ADVERSARIES
from robust_model.training.train_config import TrainConfig
from robust_model.weights.checkpoint import save_tensors
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import ExportedModel
from tests.repository.adding import FLAGS, added
from tests.robust_model.defences import Linear
from tests.robust_model.evaluated import EPS, Known, evaluate_model, images


def robust(*argv: str) -> int:
    return robust_cli.main([*argv], foreground=Terminal())


def network(**settings: Any) -> ModelConfig:
    return ModelConfig(class_names=("a", "b"), widths=(4, 4), blocks=(1, 1), readout_depths=(1,), **settings)


# ---------------------------------------------------------------------- attacks


class ToyConfig(AttackBase):
    """Goes where the linear classifier falls, without asking it."""

    kind: Literal["toy"] = "toy"
    tries: int = 1

    @property
    def name(self) -> str:
        return f"Toy of {self.tries}"

    @property
    def units(self) -> int:
        return 1

    @property
    def caveat(self) -> str:
        return "A toy proves nothing."

    @property
    def further_effort(self) -> str:
        return "played"

    def cost(self) -> PassCount:
        return PassCount(forward=self.tries)


def toy(
    _defence: Defence, images: Tensor, labels: Tensor, config: ToyConfig, *, judge: Any, **_: Any
) -> Iterator[AttackOutcome]:
    outcome = AttackOutcome.untouched(images)
    points = (images - config.eps * Linear().weight.sign().view(images.shape[1:])).clamp(0, 1)
    fell = torch.nonzero(~judge(points, labels)).squeeze(1)
    outcome.mark(fell, points[fell], images[fell], config.eps)
    outcome.passes += PassCount(forward=len(images) * config.tries)
    yield outcome


def still(_defence: Defence, images: Tensor, _labels: Tensor, config: ToyConfig, **_: Any) -> Iterator[AttackOutcome]:
    """Changes nothing."""
    outcome = AttackOutcome.untouched(images)
    outcome.passes += PassCount(forward=len(images) * config.tries)
    yield outcome


TOY = AttackKind(
    ToyConfig,
    toy,
    "Toy",
    black_box=True,
    exact=True,
    words=lambda name: "Plays with the picture." if name.startswith("Toy of") else "",
)


class FirstStepConfig(GradientConfig):
    """One step along the gradient."""

    kind: Literal["toy"] = "toy"
    source: str = "defence"

    @property
    def name(self) -> str:
        return self._describe("first step")

    @property
    def units(self) -> int:
        return 1

    def cost(self) -> PassCount:
        return PassCount(1, 1) * self.eot


def first_step(
    defence: Defence, images: Tensor, labels: Tensor, config: FirstStepConfig, **more: Any
) -> Iterator[AttackOutcome]:
    attack = GradientAttack(defence, images, labels, config, "ce", **more)
    last = attack.start(0)
    attack.query(last, attack.outcome.standing(), attack.targets(0))
    attack.outcome.last.append(last)
    yield attack.outcome


def toy_config(**changes: Any) -> EvalConfig:
    settings = {"model": "linear", "data": "hand-made", "count": 0, "eps": EPS, "batch": 2}
    return EvalConfig.model_validate({**settings, **changes})


def test_a_robust_attack_is_read_from_json_where_it_is_known() -> None:
    written = {"kind": "toy", "eps": EPS, "tries": 3}
    with pytest.raises(ValidationError, match="'pgd', 'apgd', 'square', 'autoattack'"):
        toy_config(attacks=[written])
    with added(ATTACKS, TOY):
        config = toy_config(attacks=[written, {"kind": "pgd", "steps": 2}])
        assert config.attacks == (ToyConfig(eps=EPS, tries=3), PgdConfig(steps=2))
        assert EvalConfig.model_validate_json(config.model_dump_json()) == config
        with pytest.raises(ValidationError) as wrong:
            toy_config(attacks=[{**written, "tries": "many"}])
        assert wrong.value.errors()[0]["loc"] == ("attacks", 0, "toy", "tries")


def test_a_robust_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, counted, judged as one without gradients, and reported in words, on the page, too."""
    monkeypatch.chdir(tmp_path)
    suite = Suite(
        "A toy",
        "Plays.",
        lambda budget, _defence: (
            PgdConfig(source="defence", eps=budget.eps, steps=2),
            ToyConfig(eps=budget.eps, tries=3),
        ),
    )
    with added(ATTACKS, TOY), added(SUITES, suite):
        config = toy_config(suites=("toy",), attacks=[ToyConfig(eps=EPS, tries=3).model_dump()])
        assert passes_of(Known(), config, 6) == PassCount(6 + (3 + 1) * 6, 0)
        found = evaluate_model(config, Known(), tmp_path / "run", data=images())
        report = as_report(found)
        (attack,) = report.attacks
        assert (attack.name, attack.correct, attack.attacked) == ("Toy of 3", 2, 5)
        assert evaluate_model(config, Known(), tmp_path / "run", data=images()) == found  # out of the journal
        assert effort(attack) == "played" and caveats(report).count("A toy proves nothing.") == 1
        assert "A toy proves nothing." in render_html(report)
        assert attack_words(attack.name) == "Plays with the picture." and attack_words("Tom") == ""
        shown = figures(KnownReport(report=report, planned=(attack.name,)))
        assert "Toy of 3<small>Plays with the picture.</small>" in shown

        seen = SimpleNamespace(exact="itself", attacked="in another precision")
        assert Bench.seen_by(seen, ToyConfig()) == "itself"  # type: ignore[arg-type, comparison-overlap]
        both = evaluate_model(toy_config(suites=("toy",)), Known(masked=True), data=images())
        (sign,) = [one for one in both["findings"] if one["sign"] == "black box beats white box"]
        assert sign["evidence"].startswith("Toy, which sees no gradient, breaks 2 of 5 images")


def test_a_robust_attack_by_gradients() -> None:
    """What the gradient is worth where it ended is looked at, and it counts against attacks without."""
    with added(ATTACKS, AttackKind(FirstStepConfig, first_step, "First step", by_gradients=True)):
        attacks = [FirstStepConfig(eps=EPS).model_dump(), {"kind": "square", "eps": EPS, "queries": 2}]
        found = evaluate_model(toy_config(attacks=attacks), Known(), data=images())
        first, second = as_report(found).attacks
        assert first.ends is not None and first.zero_gradients == 0 and second.ends is None
        signs = {one["sign"]: one for one in found["findings"]}
        assert "none of the 1 gradient attacks broke" in signs["black box beats white box"]["evidence"]


def test_an_adversary_and_a_suite() -> None:
    with added(ADVERSARIES, lambda _loss, images, _eps, _steps, _rng: images):
        assert TrainConfig(model=network(), data="synthetic:8", adversary="toy").adversary == "toy"
    with added(SUITES, Suite("A toy", "Plays.", SUITES["quick"].make)):
        assert EvalConfig(model="x", data="synthetic:8", suites=("toy",)).suites == ("toy",)
        offered = Evaluations.suites(SimpleNamespace())  # type: ignore[arg-type]
        assert [choice.title for choice in offered if choice.name == "toy"] == ["A toy"]
        assert json.loads(EvalConfig(model="x", data="synthetic:8", suites=("toy",)).model_dump_json())["suites"]


# ---------------------------------------------------------------------- networks


def test_an_aggregator() -> None:
    with pytest.raises(ValueError, match="no aggregator 'toy'"):
        network(aggregator="toy")
    with added(AGGREGATORS, lambda logits: logits[:, 0] + 7):
        model = SelfEnsemble(network(aggregator="toy")).eval()
        pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(model(pictures), model.readouts(pictures)[:, 0] + 7)


def toy_backbone(config: ModelConfig, name: str, _pretrained: bool, _file: str) -> Chain:
    return Chain([nn.Conv2d(config.stack.channels, int(name), 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())])


def test_a_backbone() -> None:
    with pytest.raises(StudioError, match=r"Unknown backbone 'toy:5': use cifar-resnet, .*or timm:NAME \(a ResNet\)\."):
        SelfEnsemble(network(backbone="toy:5"))
    with added(BACKBONES, Backbone(toy_backbone, "toy:CHANNELS")):
        model = SelfEnsemble(network(backbone="toy:5")).eval()
        assert model(torch.rand(2, 3, 20, 32, generator=torch.Generator().manual_seed(0))).shape == (2, 2)
        assert sum(weight.shape[0] == 5 for weight in model.chain.parameters() if weight.ndim == 4) == 1
        for wrong in ("toy", "cifar-resnet:5"):
            with pytest.raises(StudioError, match=r"Unknown backbone.*or toy:CHANNELS"):
                SelfEnsemble(network(backbone=wrong))


def exported(folder: Path, config: ModelConfig) -> str:
    """A model that nobody has trained, as an export."""
    save_tensors(folder / "model.safetensors", SelfEnsemble(config, seed=1).state_dict(), {})
    told = ExportedModel(title="A toy network", description="", model=config)
    (folder / "config.json").write_text(told.model_dump_json())
    return str(folder)


def gratings(**settings: Any) -> ModelConfig:
    """What the synthetic images show."""
    names = tuple(f"grating {c}" for c in range(4))
    return ModelConfig(
        **{"class_names": names, "widths": (4, 4), "blocks": (1, 1), "readout_depths": (1, 2), **settings}
    )


DATA = ["--data", "synthetic:16", "-n", "4", "--device", "cpu"]


def test_a_robust_attack_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a suite, and by a list of attacks in a file: the files of the report say what it did."""
    monkeypatch.chdir(tmp_path)
    Path("attacks.json").write_text(json.dumps([{"kind": "toy", "eps": 8 / 255, "tries": 2}]))
    model = exported(tmp_path / "net", gratings())
    asked = ["evaluate", model, *DATA, "--markdown", "report.md", "--json", "report.json"]
    assert robust(*asked, "--attacks", "attacks.json") == 2
    suite = Suite("A toy", "Plays.", lambda budget, _defence: (ToyConfig(eps=budget.eps),))
    with added(ATTACKS, AttackKind(ToyConfig, still, "Toy", black_box=True)), added(SUITES, suite):
        for how, name in ((["--attacks", "attacks.json"], "Toy of 2"), (["--suite", "toy"], "Toy of 1")):
            assert robust(*asked, *how) == 0
            report = read_report(Path("report.json"))
            assert [attack.name for attack in report.attacks] == [name] and report.worst_case is not None
            words = Path("report.md").read_text()
            assert name in words and "played" in words and robust("compare", "report.json", "report.json") == 0
    with pytest.raises(StudioError, match=r"report\.json"):
        read_report(Path("report.json"))


@pytest.mark.slow
def test_a_crossmax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an analysis by the command line, by its title, and as the model's own answer."""
    monkeypatch.chdir(tmp_path)
    with added(AGGREGATORS, CrossMax(lambda logits: crossmax(logits, 1), "CrossMax of a toy", "crossmax-top3")):
        model = exported(tmp_path / "net", gratings(aggregator="toy"))
        quick = [*DATA, "--steps", "2", "--out", "out"]
        for kind, chosen in (("crossmax", ["--crossmax", "toy"]), ("layers", [])):
            assert robust("analyse", kind, model, *quick, *chosen) == 0
            report = json.loads((Path("out") / f"{kind}.json").read_text())
            assert report["config"]["crossmax"] == "toy" and "CrossMax of a toy" in json.dumps(report["result"])
        assert robust("evaluate", model, *DATA, "--suite", "adaptive", "--steps", "1", "--json", "report.json") == 0
        report = read_report(Path("report.json"))
        assert report.defence.aggregator == "toy" and direct_sources(report) == {"defence", "toy", "crossmax-top3"}
    assert robust("analyse", "layers", model, *quick, "--crossmax", "toy") == 2


@pytest.mark.slow
def test_a_backbone_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, exported, described, evaluated and drawn with by the commands, and in the page's menu."""
    monkeypatch.chdir(tmp_path)
    with added(BACKBONES, Backbone(toy_backbone, "toy:CHANNELS", shape=lambda config: f" of {config.backbone[4:]}")):
        config = [
            "--set",
            "model.backbone=toy:5",
            "--set",
            "model.readout_depths=[1]",
            "--set",
            "epochs=1",
            "--set",
            "holdout=32",
        ]
        assert robust("train", "--preset", "demo", "--data", "synthetic:128", *config, "--out", "run") == 0
        assert robust("export", "run", "models/net") == 0
        assert robust("evaluate", "models/net", *DATA, "--suite", "quick", "--save") == 0
        assert "Backbone: toy:5 of 5" in Path("models/net/README.md").read_text()
        catalogue = open_catalogue([tmp_path / "models"])
        handed = {"load_model": catalogue.load, "list_models": catalogue.known, "foreground": Terminal()}
        drawn = ["class", "--model", "net", "--class", "grating 1", *FLAGS, "--out", "x.png"]
        assert cli.main(drawn, **handed) == 0  # type: ignore[arg-type]
        assert "net" in {info.name for info in catalogue.list("classifier") if info.ready}
