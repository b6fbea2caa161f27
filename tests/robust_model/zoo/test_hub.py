"""Exported folders as repositories of the hub: layout, front matter, models by name, and errors in words."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors
from safetensors import safe_open

from foundation.errors import StudioError
from foundation.files.text_files import write_bytes
from robust_model.cards.card import write_card
from robust_model.evaluation.record.reading import as_report
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.weights.checkpoint import save_tensors
from robust_model.zoo.hub import fetch, front_matter, without_front_matter
from robust_model.zoo.registry import ExportedModel, describe
from robust_model.zoo.subjects import load_subject
from tests.reports import figure, plain_report

MODEL = ModelConfig(class_names=("a", "b"), widths=(4, 8), blocks=(1, 1))
REPORT = plain_report(
    4,
    data={"source": "folder:cifar10/test", "n": 4, "indices": [0, 1, 2, 3], "class_names": ["a", "b"]},
    clean=figure(3, 4),
    worst_case=figure(2, 4),
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshot"
    save_tensors(folder / "model.safetensors", SelfEnsemble(MODEL, seed=1).state_dict(), {})
    exported = ExportedModel(
        title="T: one", description="D", model=MODEL, training={"data": "folder:cifar10"}, license="mit"
    )
    write_bytes(folder / "config.json", exported.model_dump_json().encode())
    write_card(folder)
    return folder


def test_an_exported_folder_is_a_repository(repository: Path) -> None:
    assert sorted(path.name for path in repository.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    with safe_open(repository / "model.safetensors", framework="pt") as file:
        assert file.metadata()["format"] == "pt"
    card = huggingface_hub.ModelCard.load(repository / "README.md")
    assert (card.data.license, card.data.datasets, card.data.metrics) == ("mit", ["uoft-cs/cifar10"], ["accuracy"])
    assert "adversarial-robustness" in card.data.tags and card.data.pipeline_tag == "image-classification"
    assert card.text.lstrip().startswith("# T: one")
    assert describe(repository).card.startswith("# T: one")  # people are not shown the YAML


def test_what_was_measured_is_in_the_index(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(front_matter("T", "mit", {"data": "cifar100"}, [as_report(REPORT)]) + "# T\n")
    results = huggingface_hub.ModelCard.load(tmp_path / "README.md").data.eval_results
    assert [(r.metric_value, r.dataset_type) for r in results] == [(0.75, "uoft-cs/cifar10"), (0.5, "uoft-cs/cifar10")]
    assert results[1].metric_name.startswith("robust accuracy, L-inf 8/255")
    assert without_front_matter((tmp_path / "README.md").read_text()) == "# T\n"
    assert without_front_matter("# plain\n") == "# plain\n"


def test_a_model_by_its_name_on_the_hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append((name, revision))
        assert "model.safetensors" in allow_patterns and not any(p.endswith(".py") for p in allow_patterns)
        return str(repository)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    for prefix in ("crossmax-hub", "hf-hub"):  # the old spelling, too, where a classifier is wanted
        assert load_subject(f"{prefix}:org/name").model.class_names == ("a", "b")
        assert load_subject(f"{prefix}:org/name@v2").model.class_names == ("a", "b")
    assert set(asked) == {("org/name", None), ("org/name", "v2")}


def test_a_model_of_the_hub_is_evaluated_and_its_copy_left_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_words, **_options: str(repository))
    subject = load_subject("hf-hub:org/name@v2")
    assert (subject.name, subject.folder) == ("hf-hub:org/name@v2", None)
    assert subject.model.class_names == ("a", "b")
    other = repository.with_name("other")
    shutil.copytree(repository, other)
    save_tensors(other / "model.safetensors", SelfEnsemble(MODEL, seed=2).state_dict(), {})
    several = load_subject(f"ensemble:crossmax-hub:org/name+{other}")
    assert several.name == "ensemble:crossmax-hub:org/name+other"
    assert several.model.readout_names == ("member 1", "member 2")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.LocalEntryNotFoundError("no network"), "hub cannot be reached"),
        (ConnectionError("no route"), "hub cannot be reached"),
        (errors.OfflineModeIsEnabled("offline"), "hub cannot be reached"),
        (errors.HFValidationError("bad"), "is no name of a repository: it is crossmax-hub:ORG/NAME"),
    ],
)
def test_what_goes_wrong_is_said(error: Exception, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_words: object, **_options: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    for ask in (fetch, load_subject):
        with pytest.raises(StudioError, match=words):
            ask("crossmax-hub:org/name")


def test_a_damaged_repository_is_not_ready(repository: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(repository, tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    assert "Its weights are missing" in describe(copy).why_not
