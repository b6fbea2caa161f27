"""What is known at the start is refused at the start, in a sentence with what would do."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clip_model import cli as clip_cli
from foundation.command_line.arguments import MOST_SEED, number, whole
from foundation.command_line.settings import validated
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.text_files import write_bytes
from foundation.jobs import Terminal
from robust_model.attacks import ApgdConfig, AutoAttackConfig, PgdConfig
from robust_model.cards.soup import export_ensemble
from robust_model.cli import main as cli
from robust_model.data.datasets import LabelledImages, load_data
from robust_model.evaluation.cost import estimate
from robust_model.evaluation.record.config import EvalConfig
from robust_model.networks.crossmax import AGGREGATORS, crossmax, find_aggregator
from robust_model.networks.ensemble import Ensemble, EnsembleConfig, ModelConfig, SelfEnsemble
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.training.teaching import soft_labels
from robust_model.training.train_config import TrainConfig
from robust_model.training.training import Run
from robust_model.weights.checkpoint import save_tensors
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import ExportedModel, describe
from robust_model.zoo.subjects import load_subject
from tests.robust_model.evaluated import evaluate_model

CLASSES = ("a", "b", "c")


def refused(words: Sequence[str], capsys: pytest.CaptureFixture[str], main: Callable[..., int] = cli.main) -> str:
    """The one sentence with which a command refuses, on standard error."""
    assert main(list(words), foreground=Terminal()) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return captured.err


# --- numbers and devices


@pytest.mark.parametrize(
    ("flag", "value", "wanted"),
    [
        ("--seed", "10000000000000000000000", f"from 0 to {MOST_SEED:,}"),
        ("--seed", "-1", f"from 0 to {MOST_SEED:,}"),
        ("--seed", "9" * 5000, f"from 0 to {MOST_SEED:,}"),
        ("--threads", "100000", "from 1 to 256"),
        ("--threads", "0", "from 1 to 256"),
        ("--batch", "0", "from 1 to 100,000"),
        ("-n", "-5", "from 0 to 1,000,000,000"),
        ("--steps", "1.5", "from 1 to 100,000"),
        ("--restarts", "1" + 30 * "0", "from 1 to 1,000"),
        ("--eot", "0", "from 1 to 10,000"),
        ("--draws", "many", "from 1 to 10,000"),
        ("--size", "5000", "from 0 to 4,096"),
        ("--samples", "-1", "from 0 to 10,000"),
        ("--sweep", "-1", "from 0 to 1,000,000,000"),
        ("--eps", "nan", "from 0 to 255"),
        ("--eps", "inf", "from 0 to 255"),
        ("--eps", "-8", "from 0 to 255"),
        ("--device", "gpu", "use auto, cpu, cuda or cuda:0"),
    ],
)
def test_numbers_of_an_evaluation_have_a_range(
    flag: str, value: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """F19, F20: refused with the range, before anything is loaded."""
    assert wanted in refused(["evaluate", "nobody", "--data", "synthetic:8", flag, value], capsys)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["train", "--preset", "demo", "--threads", "100000"], "from 1 to 256"),
        (["train", "--preset", "demo", "--checkpoint-every", "nan"], "from 0 to 1e+07"),
        (["train", "--preset", "demo", "--set", "seed=" + 23 * "9"], f"it takes numbers from 0 to {MOST_SEED:,}"),
        (["train", "--preset", "demo", "--set", "epochs=0"], "takes numbers from 0 to 100,000"),
        (["train", "--preset", "demo", "--set", "learning_rate=Infinity"], "takes numbers from 0 to"),
        (["train", "--preset", "demo", "--device", "mps"], "use auto, cpu, cuda or cuda:0"),
        (["train", "--preset", "demo", "--data", "synthetic:99999999999"], "from 1 to 100,000 images"),
        (["export", "run", "out", "--voters", "-1"], "from 0 to 1,000"),
        (["average", "a", "b", "out", "--weights", "nan", "1"], "from 0 to"),
        (["analyse", "layers", "nobody", "--seed", "-1"], f"from 0 to {MOST_SEED:,}"),
        (["analyse", "layers", "nobody", "--threads", "100000"], "from 1 to 256"),
        (["analyse", "sweep", "nobody", "--budgets", "1", "300"], "from 0 to 255"),
        (["analyse", "layers", "nobody", "--device", ""], "use auto, cpu, cuda or cuda:0"),
        (["nonsense"], "Try: python -m robust_model --help"),
    ],
)  # fmt: skip
def test_numbers_of_other_commands_have_a_range(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F19, F20: every number and device of the command line."""
    monkeypatch.chdir(tmp_path)
    assert wanted in refused(words, capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["train", "--tiny-imagenet", "t", "--set", "seed=-1"], "from 0 to"),
        (["train", "--tiny-imagenet", "t", "--device", "meta"], "use auto, cpu, cuda or cuda:0"),
        (["evaluate", "tiny-clip", "--tiny-imagenet", "t", "-n", "-1"], "from 0 to"),
        (["average", "a", "out", "--weights", "inf"], "from 0 to"),
    ],
)
def test_numbers_of_the_small_clip_have_a_range(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """F19, F20: the commands of clip_model too."""
    assert wanted in refused(words, capsys, clip_cli.main)


def test_every_number_of_a_configuration_has_two_ends() -> None:
    """F20: what a flag or `--set` sets is bounded in the configuration itself, for whoever makes one."""
    for kind in (EvalConfig, TrainConfig):
        for name, field in kind.model_fields.items():
            if field.annotation in (int, float):
                marks = {mark for limit in field.metadata for mark in ("ge", "gt", "le", "lt") if hasattr(limit, mark)}
                assert marks & {"ge", "gt"} and marks & {"le", "lt"}, f"{kind.__name__}.{name}"
    with pytest.raises(StudioError, match="'seed' is not valid: it takes numbers from 0 to"):
        validated(EvalConfig, {"model": "m", "data": "d", "seed": MOST_SEED + 1})


def test_numbers_are_read_as_python_reads_them() -> None:
    assert whole(-5, 5)("-5") == -5 and whole(0, MOST_SEED)(str(MOST_SEED)) == MOST_SEED
    assert number(0, 1)("1e-1") == 0.1


@pytest.mark.parametrize("name", ["gpu", "mps", "meta", "", " ", "cuda:x", "cuda:-1", "cpu:0", "cuda:007"])
def test_devices_of_other_names_are_refused(name: str) -> None:
    """F19: refused in a sentence, not by PyTorch."""
    with pytest.raises(StudioError, match="use auto, cpu, cuda or cuda:0"):
        choose_device(name)


def test_devices_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """F19: in any case; one beyond those that are there is refused."""
    assert choose_device("CPU") == "cpu" and choose_device(" cpu ") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("Auto") == "cpu"
    with pytest.raises(StudioError, match="no CUDA device here"):
        choose_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert [choose_device(name) for name in ("auto", "cuda", "CUDA:0")] == ["cuda", "cuda", "cuda:0"]
    with pytest.raises(StudioError, match="no device 'cuda:9' here, but one GPU"):
        choose_device("cuda:9")


def test_synthetic_data_have_a_limit() -> None:
    """F20: a count that no memory holds."""
    for count in ("0", "100001", "9" * 300):
        with pytest.raises(StudioError, match="synthetic"):
            load_data(f"synthetic:{count}", "test")


# --- CrossMax of few or equal predictors


def test_crossmax_of_one_predictor_is_refused() -> None:
    """F8: it is zero for every class, whatever the predictor says."""
    for k in (None, 1):
        with pytest.raises(StudioError, match="one predictor use mean or last"):
            crossmax(torch.randn(2, 1, 3, generator=torch.Generator().manual_seed(0)), k)
    for name in AGGREGATORS:
        if name.startswith("crossmax"):
            with pytest.raises(StudioError):
                find_aggregator(name, 1)
    assert [find_aggregator(name, 1).__name__ for name in ("mean", "last")] == ["mean", "last"]
    config = ModelConfig(class_names=CLASSES, widths=(4, 4), blocks=(1, 1))
    with pytest.raises(StudioError, match="one predictor"):
        SelfEnsemble(config).with_aggregator("crossmax-median")
    with pytest.raises(StudioError, match="one predictor"):
        Ensemble([SelfEnsemble(config)])
    for wrong in (
        {"aggregator": "crossmax-median"},
        {"aggregator": "crossmax-top3", "readout_depths": [1], "voters": 1},
    ):
        with pytest.raises(StudioError, match=r"one predictor|at least 3"):
            validated(ModelConfig, {**config.model_dump(), **wrong})
    with pytest.raises(StudioError, match="one predictor"):
        validated(EnsembleConfig, {"members": [config.model_dump()]})


def exported(folder: Path, seed: int, classes: tuple[str, ...] = CLASSES) -> Path:
    config = ModelConfig(class_names=classes, widths=(4, 4), blocks=(1, 1))
    settings = ExportedModel(title="T", description="D", model=config)
    write_bytes(folder / "config.json", settings.model_dump_json().encode())
    save_tensors(folder / "model.safetensors", SelfEnsemble(config, seed=seed).state_dict(), {})
    return folder


def test_ensembles_are_of_different_models(tmp_path: Path) -> None:
    """F8: one model, or the same one twice under whichever name, is no ensemble."""
    one, again, two = (exported(tmp_path / name, seed) for name, seed in (("one", 0), ("again", 0), ("two", 1)))
    for names in ([one], [one, one], [one, again], [one, two, again]):
        with pytest.raises(StudioError, match="at least two different models"):
            load_subject("ensemble:" + "+".join(map(str, names)))
        with pytest.raises(StudioError, match="at least two different models"):
            export_ensemble([str(name) for name in names], tmp_path / "out", command="c", title="t")
    assert not (tmp_path / "out").exists()
    assert len(load_subject(f"ensemble:{one}+{two}").model.readout_names) == 2


# --- attacks that cannot be


class Counting(torch.nn.Module):
    """Three logits; counts the images that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return images.mean((2, 3))


@pytest.mark.parametrize(
    "settings",
    [
        {"suites": ("quick", "autoattack-standard")},
        {"attacks": (PgdConfig(), AutoAttackConfig(version="standard"))},
        {"attacks": (PgdConfig(), ApgdConfig(loss="targeted-dlr"))},
        {"attacks": (PgdConfig(), PgdConfig(source="predictor 7"))},
        {"attacks": (PgdConfig(continues=True),)},
        {"attacks": (PgdConfig(), PgdConfig(eps=0.5))},
        {"suites": ("quick", "nonsense")},
        {"aggregator": "crossmax-median"},
    ],
)
def test_what_cannot_be_attacked_is_refused_before_the_first_pass(settings: dict[str, Any]) -> None:
    """F11: what is known of attacks and model at the start is checked there, by `--estimate` too."""
    network = Counting()
    model = PlainDefence(network, PlainConfig(name="three", class_names=CLASSES))
    data = LabelledImages(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.long), CLASSES, "d")
    config = EvalConfig(model="three", data="d", count=0, **settings)
    for work in (lambda: evaluate_model(config, model, data=data), lambda: estimate(model, config, data)):
        with pytest.raises(StudioError):
            work()
        assert network.seen == 0
    fine = config.model_copy(update={"suites": ("quick",), "attacks": (), "aggregator": ""})
    assert estimate(model, fine, data).images == 4 and network.seen > 0


# --- training and teaching by name


def test_training_goes_by_the_names_of_the_classes(tmp_path: Path) -> None:
    """F2: data whose classes stand in another order than the model's train it right."""
    images = torch.zeros(64, 3, 8, 8, dtype=torch.uint8)
    data = LabelledImages(images, torch.arange(64) % 3, ("c", "A", "b"), "d")
    model = ModelConfig(class_names=CLASSES, widths=(4, 4), blocks=(1, 1))
    config = TrainConfig(model=model, data="d", holdout=0, batch=8)
    run = Run(config, tmp_path / "run", data=data)
    assert run.images.class_names == CLASSES
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert run.images.labels.tolist() == [(2, 0, 1)[int(i) % 3] for i in order]
    for names in (("a", "b"), ("a", "b", "d"), ("a", "A", "b")):
        with pytest.raises(StudioError):
            Run(config, tmp_path / "other", data=LabelledImages(images, torch.arange(64) % 2, names, "d"))


def test_teachers_are_understood_by_the_names_of_their_classes(tmp_path: Path) -> None:
    """F2: a teacher whose classes stand in another order says the same of each class."""
    teacher = exported(tmp_path / "teacher", 0)
    pixels = torch.randint(256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    found = [
        soft_labels([str(teacher)], LabelledImages(pixels, torch.zeros(6), names, "d"), torch.device("cpu"), bf16=False)
        for names in (CLASSES, ("c", "a", "b"))
    ]
    torch.testing.assert_close(found[1], found[0][:, [2, 0, 1]])
    other = exported(tmp_path / "other", 0, ("a", "b", "d"))
    with pytest.raises(StudioError, match="other classes than the data"):
        soft_labels(
            [str(teacher), str(other)],
            LabelledImages(pixels, torch.zeros(6), CLASSES, "d"),
            torch.device("cpu"),
            bf16=False,
        )


# --- lists from the disk


def damaged(root: Path) -> dict[str, str]:
    """Model folders that are damaged in one way each, with a word of why they are not ready."""
    good = exported(root / "good", 0)
    config = (good / "config.json").read_text()
    weights = (good / "model.safetensors").read_bytes()
    contents: dict[str, dict[str, bytes]] = {
        "utf16": {"config.json": config.encode("utf-16")},
        "latin1": {"config.json": config.replace('"T"', '"Caf\u00e9"').encode("latin-1")},
        "empty": {"config.json": b""},
        "list": {"config.json": b"[]"},
        "deep": {"config.json": b"[" * 100_000},
        "other": {"config.json": json.dumps({"title": "T"}).encode()},
        "bad_backbone": {"config.json": config.replace('"last"', '"crossmax-median"').encode()},
        "no_weights": {"config.json": config.encode()},
        "empty_weights": {"config.json": config.encode(), "model.safetensors": b""},
    }
    for name, files in contents.items():
        (root / name).mkdir()
        for file, content in files.items():
            (root / name / file).write_bytes(content)
    for name, taken in (("folder_config", "config.json"), ("folder_weights", "model.safetensors")):
        (root / name / taken).mkdir(parents=True)
    (root / "folder_weights" / "config.json").write_text(config)
    (root / "circle").mkdir()
    (root / "circle" / "config.json").symlink_to(root / "circle" / "config.json")
    (root / "broken_link").mkdir()
    (root / "broken_link" / "config.json").symlink_to(root / "nowhere")
    for name, card in (("card_latin1", "Caf\u00e9".encode("latin-1")), ("card_utf16", "Card".encode("utf-16"))):
        (root / name).mkdir()
        (root / name / "config.json").write_text(config)
        (root / name / "model.safetensors").write_bytes(weights)
        (root / name / "README.md").write_bytes(card)
    (root / "card_folder" / "README.md").mkdir(parents=True)
    (root / "card_folder" / "config.json").write_text(config)
    (root / "card_folder" / "model.safetensors").write_bytes(weights)
    (root / "a file").touch()
    return dict.fromkeys((*contents, "folder_config", "folder_weights", "circle", "broken_link"), "")


def test_one_damaged_model_ends_no_list(tmp_path: Path) -> None:
    """F6: the others are listed, and the damaged one, not ready, with the reason."""
    wrong = damaged(tmp_path)
    catalogue = open_catalogue([tmp_path, tmp_path / "a file", tmp_path / "nowhere"])
    infos = {info.name: info for info in catalogue.list()}
    assert infos["good"].ready and "crossmax-cifar10" in infos
    for name in wrong:
        if name != "empty_weights":
            assert not infos[name].ready and infos[name].why_not, name
    assert "UTF-16" in infos["utf16"].why_not and "UTF-8" in infos["latin1"].why_not
    for name in ("card_latin1", "card_utf16", "card_folder"):
        assert infos[name].ready, name
    assert infos["card_utf16"].card == "Card" and infos["card_latin1"].card.startswith("Caf")
    assert "weights" in infos["folder_weights"].why_not
    assert catalogue.find("good").name == "good"
    for name in wrong:
        if name not in ("circle", "broken_link"):
            assert describe(tmp_path / name).name == name
        with pytest.raises(StudioError):
            load_subject(name, catalogue=catalogue)
