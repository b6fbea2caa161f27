"""Soft labels: the teachers' mean answer to an image and its mirror image, mixed into the labels of a run."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from foundation.errors import StudioError
from robust_model.cards.card import export
from robust_model.data.datasets import LabelledImages, synthetic
from robust_model.networks.packaged import PACKAGED
from robust_model.networks.stack import StackConfig
from robust_model.training.pipeline import Pipeline, PipelineConfig
from robust_model.training.presets import PRESETS
from robust_model.training.provenance import record_provenance
from robust_model.training.teaching import soft_labels
from robust_model.training.train_config import TrainConfig
from robust_model.training.training import Run

DATA = synthetic("train", 96)


def config(**changes: object) -> TrainConfig:
    plain = PRESETS["demo"].make("synthetic:96").model_dump()
    return TrainConfig.model_validate({**plain, "epochs": 1, "holdout": 32, "batch": 16, **changes})


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and the exported model of another."""
    root = tmp_path_factory.mktemp("teachers")
    for name, seed in (("run", 0), ("other", 1)):
        Run(config(seed=seed), root / name, data=DATA).run()
    return root / "run", export(root / "other", root / "exported", title="", description="", dtype="float32")


@pytest.mark.slow
def test_the_teachers_speak_as_one(teachers: tuple[Path, Path]) -> None:
    logits = torch.zeros(64, 4)
    images = DATA.subset(torch.arange(64))
    for run in (teachers[0], teachers[0].parent / "other"):
        model = Run(config(seed=int(run.name == "other")), run, data=DATA).exportable()
        x = images.images / 255.0
        both = model.voting(model.readouts(x)) + model.voting(model.readouts(x.flip(3)))
        logits += both.mean(1) / 4
    found = soft_labels([str(t) for t in teachers], images, torch.device("cpu"), bf16=False)
    assert torch.allclose(found, logits.softmax(1), atol=1e-5)


def test_targets_are_mixed_with_the_labels(teachers: tuple[Path, Path], tmp_path: Path) -> None:
    run = Run(config(teachers=(str(teachers[0]),), teacher_weight=0.25), tmp_path, data=DATA)
    picked = torch.tensor([5, 0, 9])
    said = soft_labels([str(teachers[0])], run.images, torch.device("cpu"), bf16=False)[picked]
    expected = 0.75 * F.one_hot(run.images.labels[picked], 4) + 0.25 * said
    assert torch.allclose(run._targets(picked), expected, atol=1e-6)
    plain = Run(config(), tmp_path / "plain", data=DATA)
    assert torch.equal(plain._targets(picked), plain.images.labels[picked])


@pytest.mark.slow
def test_a_student_goes_on_without_its_teachers(teachers: tuple[Path, Path], tmp_path: Path) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    moved = tmp_path / "moved"
    told = config(teachers=(str(moved),))
    teachers[1].rename(moved)
    Run(told, whole, data=DATA).run()
    run = Run(told, halved, data=DATA)
    run.run(should_stop=lambda: run.step >= 2)
    moved.rename(teachers[1])
    Run(told, halved, data=DATA).run()
    weights, again = (Run(told, place, data=DATA).model.state_dict() for place in (whole, halved))
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_teacher_of_other_classes_is_refused(teachers: tuple[Path, Path]) -> None:
    others = synthetic("train", 64, classes=3)
    with pytest.raises(StudioError, match="other classes"):
        soft_labels([str(teachers[0])], others, torch.device("cpu"), bf16=False)


def test_the_card_names_start_and_teachers(teachers: tuple[Path, Path], tmp_path: Path) -> None:
    run = Run(config(start_from=str(teachers[0]), teachers=(str(teachers[1]),)), tmp_path / "student", data=DATA)
    (teachers[0] / "provenance.json").write_text(
        '{"command": "how it began", "commit": "c", "versions": "v", "machine": "m"}'
    )
    record_provenance(run, "the command", "cpu", "the data")
    run.run()
    card = (export(run.folder, tmp_path / "out", title="", description="") / "README.md").read_text()
    assert "Started from 'run' (revision " in card
    assert "  - Command: `how it began`" in card
    assert "Taught by 'exported' (revision " in card


@pytest.mark.slow
def test_a_classifier_of_a_package_teaches_the_classes_that_it_shares() -> None:
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = LabelledImages(pixels, torch.tensor([0, 1, 1]), ("volcano", "tabby"), "made up")
    teacher = PACKAGED["lite0"].load()
    large = F.interpolate(pixels / 255, (96, 96), mode="bicubic", align_corners=False).clamp(0, 1)
    logits = teacher.network((large - 0.5) / 0.5)
    places = [teacher.class_names.index(name) for name in data.class_names]
    expected = (logits[:, places] / 2).softmax(1)
    found = soft_labels(["lite0"], data, torch.device("cpu"), bf16=False, side=96, temperature=2.0)
    assert torch.allclose(found, expected, atol=1e-4)
    assert expected.std() > 0.01  # they say something


def test_a_class_that_the_teacher_does_not_know_is_named() -> None:
    data = LabelledImages(
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("tabby", "gnome"), "made up"
    )
    with pytest.raises(StudioError, match=r"teacher 'lite0' has other classes.*class called gnome"):
        soft_labels(["lite0"], data, torch.device("cpu"), bf16=False)


@pytest.mark.slow
def test_phases_share_what_their_teachers_say_of_the_largest_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def said(_teachers: object, images: LabelledImages, *_others: object, **_more: object) -> torch.Tensor:
        asked.append((len(images), images.images.shape[-1]))
        return torch.full((len(images), 4), 0.25)

    monkeypatch.setattr("robust_model.training.teaching.soft_labels", said)
    small = config(teachers=("lite0",), data="synthetic:64")
    model = small.model.model_copy(update={"stack": StackConfig(size=48, resolutions=(48, 24))})
    phases = {"small": small, "large": small.model_copy(update={"model": model})}
    images = LabelledImages(DATA.images, DATA.labels, DATA.class_names, DATA.source)
    larger = F.interpolate(DATA.images.float(), (48, 48)).to(torch.uint8)
    sets = {32: images, 48: LabelledImages(larger, DATA.labels, DATA.class_names, DATA.source)}
    monkeypatch.setattr("robust_model.training.pipeline.training_data", lambda _spec, size: sets[size])
    Pipeline(PipelineConfig(phases=phases), tmp_path).run()
    assert asked == [(64, 48)]
    assert len(list(tmp_path.glob("soft_labels-*.safetensors"))) == 1


def test_a_finished_run_asks_its_teachers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def said(_teachers: object, images: LabelledImages, *_others: object, **_more: object) -> torch.Tensor:
        asked.append(len(images))
        return torch.full((len(images), 4), 0.25)

    monkeypatch.setattr("robust_model.training.teaching.soft_labels", said)
    told = config(teachers=("lite0",))
    Run(told, tmp_path / "run", data=DATA).run()
    (tmp_path / "run" / "soft_labels.safetensors").unlink()
    Run(told, tmp_path / "run", data=DATA)  # as an export opens it
    assert asked == [64]
