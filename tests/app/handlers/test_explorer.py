"""What is found out about an attack in its job: tables and pictures from the saved files, as they come."""

import json
import os
import signal

import pytest
import torch
from PIL import Image

from app.handlers.findings import FINDINGS_NAME, read_findings
from app.handlers.registry import make_handlers
from app.records.params import Wish
from app.visitors.data_dir import DataDir
from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest, save_png, to_tensor
from foundation.jobs import JobRequest, run_foreground
from generator.recipes.recipe import Recipe
from generator.transfer.outcome import Question
from generator.transfer.report import Report, to_csv
from generator.transfer.table import Case, compare
from generator.victims.survival import SURVIVALS
from generator.victims.victims import classifier_victim
from robust_model.networks.ensemble import SelfEnsemble
from robust_model.weights.checkpoint import file_digest
from tests.app.handlers.explored import NamedWords, said
from tests.app.standins import Colours, toys, workshop
from tests.robust_model.published import TIMM, empty_hub, put_timm
from tests.toy_models import Toys


@pytest.fixture
def data(tmp_path):
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def handlers(data):
    classifiers = toys()
    plain = classifiers.models["gratings"].config
    classifiers.models["gratings"] = SelfEnsemble(plain.model_copy(update={"readout_depths": (1,)})).eval()
    return make_handlers(workshop(data, Toys({"words": NamedWords()}, "encoder"), classifiers))


@pytest.fixture
def upload(data):
    """A reddish photo of 20 x 30, kept as the page keeps it; its digest."""
    picture = Image.new("RGB", (30, 20), (150, 120, 110))
    digest = pixel_digest(picture)
    data.uploads.keep(picture, "local")
    return digest


def attack(handlers, upload, folder, explore, seen=None, **fields):
    defaults = {"task": "attack", "norm": "linf", "eps": 24 / 255, "classes": ("blue",), "models": ("colours",)}
    recipe = Recipe(**{**defaults, "resolutions": "1,2,4", "steps": 6, "learning_rate": 0.5, **fields})
    params = {"recipe": json.loads(recipe.to_json()), "source": upload, "explore": explore}
    request = JobRequest("attack", params)
    return run_foreground(request, handlers, folder, None if seen is None else seen)


def written(folder):
    """What the page reads, in the form that it is written in: nothing is lost on the way."""
    found = json.loads((folder / FINDINGS_NAME).read_text())
    assert read_findings(folder).to_json() == found
    return found


@pytest.mark.slow
def test_the_tables_are_those_of_the_saved_files(handlers, upload, tmp_path):
    folder = tmp_path / "out"
    explore = {"victims": ["other", "damaged", "gratings", "words"], "survivals": ["jpeg-30", "half"]}
    result = attack(handlers, upload, folder, explore)
    assert "findings_error" not in result
    found = written(folder)
    assert found["complete"] and found["question"] == {"label": "", "targets": ["blue"]}
    victims = {one["model"]: one for one in found["victims"]}
    assert list(victims) == ["colours", "other", "damaged", "gratings", "words"]
    assert [one["attacked"] for one in victims.values()] == [True, False, False, False, False]
    assert victims["damaged"]["why_not"] == "Its weights are damaged."
    assert victims["words"]["name"] == "words=cifar10" and victims["words"]["labels"] == 10
    rows = {(row["victim"], row["survival"]): row for row in found["rows"]}
    assert len(rows) == len(found["rows"]) == 4 * 3
    names = ("red", "green", "blue")
    for model in ("colours", "other"):
        row = rows[model, "saved"]
        label, confidence = said(names, folder / "source.png")
        assert (row["before"]["label"], row["before"]["confidence"]) == (label, pytest.approx(confidence, abs=1e-6))
        label, confidence = said(names, folder / "image-1.png")
        assert (row["after"]["label"], row["after"]["confidence"]) == (label, pytest.approx(confidence, abs=1e-6))
        assert row["outcome"] == ("success" if label == "blue" else "failure")
        assert row["share_after"] > row["share_before"]
        small = SURVIVALS["half"].apply(load_image(folder / "image-1.png"))
        save_png(small, tmp_path / "small.png")
        assert rows[model, "half"]["after"]["confidence"] == pytest.approx(said(names, tmp_path / "small.png")[1])
    assert rows["gratings", "saved"]["outcome"] == rows["words=cifar10", "half"]["outcome"] == "not comparable"
    change = to_tensor(load_image(folder / "image-1.png")) - to_tensor(load_image(folder / "source.png"))
    assert found["distances"]["linf"] == pytest.approx(change.abs().max().item(), abs=1e-6)


def test_the_tables_can_be_had_as_files(handlers, upload, data, tmp_path):
    folder = tmp_path / "out"
    explore = {"victims": ["other", "damaged"], "survivals": ["jpeg-30", "half"]}
    attack(handlers, upload, folder, explore)
    assert written(folder)["files"] == {"csv": "rows.csv", "json": "report.json", "html": "report.html"}
    found = json.loads((folder / "report.json").read_text())
    case = Case("photo", "colours", folder / "source.png", folder / "image-1.png", Question("", ("blue",)))
    victims = [classifier_victim(name, Colours()) for name in ("colours", "other")]
    survivals = ("saved", "jpeg-30", "half")
    alone = Report(
        recipes={"colours": Recipe.from_png(folder / "image-1.png")},
        victims=victims,
        survivals=survivals,
        cases=[case],
        comparison=compare([case], victims, survivals=survivals),
    )
    assert found.pop("left_out") == {"The model damaged": "Its weights are damaged."}
    assert found == {name: value for name, value in alone.to_json(folder).items() if name != "left_out"}
    assert (folder / "rows.csv").read_text() == to_csv(alone)
    assert "Its weights are damaged." in (folder / "report.html").read_text()


def test_who_was_wrong_about_the_photo_cannot_be_fooled(handlers, upload, tmp_path):
    """The photo is red to both models of colours; that it shows a green thing, only its owner knows."""
    fields = {"objective": "leave", "classes": ()}
    explore = {"victims": ["gratings"], "label": " Red "}
    attack(handlers, upload, tmp_path / "right", explore, **fields)
    found = written(tmp_path / "right")
    assert found["question"] == {"label": "Red", "targets": []}
    outcomes = {row["victim"]: row for row in found["rows"]}
    assert outcomes["colours"]["outcome"] == (
        "failure" if outcomes["colours"]["after"]["label"] == "red" else "success"
    )
    assert outcomes["gratings"]["outcome"] == "not comparable"
    attack(handlers, upload, tmp_path / "wrong", {"label": "green"}, **{**fields, "classes": ("green",)})
    found = written(tmp_path / "wrong")
    (row,) = found["rows"]
    assert found["question"]["label"] == "green" and row["outcome"] == "wrong before"
    share = to_tensor(load_image(tmp_path / "wrong/image-1.png")).mean(dim=(2, 3))[0].mul(20).softmax(0)[1].item()
    assert row["share_after"] == pytest.approx(share, abs=1e-5)


def test_what_can_be_seen_is_there_and_fits_the_files(handlers, upload, tmp_path):
    folder = tmp_path / "out"
    attack(handlers, upload, folder, {"victims": ["gratings"]})
    found = written(folder)
    (heat,) = found["heat"]
    assert heat["victim"] == "gratings" and len(heat["classes"]) == 4
    assert len(heat["before"]) == len(heat["after"]) == len(heat["readouts"]) > 1
    for one in (*heat["before"], *heat["after"]):
        assert sum(one["shares"]) == pytest.approx(1)
        assert heat["classes"][max(range(4), key=one["shares"].__getitem__)] == one["label"]
    line = found["lines"][0]
    assert [line["points"][index]["t"] for index in (0, 5, 15, 25)] == [-0.5, 0.0, 1.0, 2.0]
    saved = next(row for row in found["rows"] if row["victim"] == "colours")
    assert line["points"][15]["label"] == saved["after"]["label"] and line["now"] == "blue"
    assert line["points"][15]["now"] == pytest.approx(saved["share_after"], abs=1e-6)
    assert {one["victim"] for one in found["saliency"]} == {"colours", "gratings"}
    for one in found["saliency"]:
        assert load_image(folder / one["before"]).size == load_image(folder / one["after"]).size == (30, 20)
    (views,) = found["views"]
    for file, resolution in zip(views["after"], views["resolutions"], strict=True):
        assert (folder / file).is_file() and f"-{resolution}-" in file
    assert (folder / found["video"]["file"]).is_file() and found["video"]["frames"] == 7


def test_an_encoder_is_attacked_by_a_text_and_another_picture(handlers, data, upload, tmp_path):
    target = Image.new("RGB", (12, 9), (20, 40, 200))
    digest = pixel_digest(target)
    data.uploads.keep(target, "local")
    recipe = Recipe(
        task="attack", models=("words", "colours"), prompt="a ship", classes=("blue",), class_weight=0.5,
        norm="linf", eps=24 / 255, target=digest, steps=3, resolutions="1,2", learning_rate=0.5,
    )  # fmt: skip
    explore = {"captions": ["a ship", "a red wall"], "survivals": []}
    params = {"recipe": json.loads(recipe.to_json()), "source": upload, "target": digest, "explore": explore}
    result = run_foreground(JobRequest("attack", params), handlers, tmp_path / "out")
    assert result["recipe"]["revisions"] == ["0" * 15 + "2", "0" * 15 + "1"]
    roles = {entry["role"]: entry for entry in result["images"][0]["cosines"]["words"]}
    assert roles["target"]["after"] > roles["target"]["before"]
    found = written(tmp_path / "out")
    assert found["question"]["targets"] == ["blue", "a ship"]
    outcomes = {row["victim"]: row["outcome"] for row in found["rows"]}
    assert set(outcomes) == {"words=captions", "colours"} and "not comparable" not in outcomes.values()


def test_findings_come_one_after_the_other_and_stopping_keeps_them(handlers, upload, tmp_path):
    folder, partial = tmp_path / "out", []

    def watch(snapshot):
        if snapshot.message.startswith("Measuring"):
            known = read_findings(folder)
            partial.append(0 if known is None else len(known.rows))
        if snapshot.message.startswith("Measuring") and partial[-1] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    result = attack(handlers, upload, folder, {"victims": ["other"], "survivals": ["half", "blur-1"]}, watch)
    assert partial[:1] == [0] and 1 in partial and partial[-1] == 2
    found = written(folder)
    # What was being looked at is there; the last part, and whatever is drawn, is not.
    assert not found["complete"] and len(found["rows"]) == 4 and "lines" not in found
    report = json.loads((folder / "report.json").read_text())
    assert not report["complete"] and len(report["rows"]) == 4
    assert result["images"][0]["file"] == "image-1.png" and not result["stopped"]


@pytest.mark.parametrize(
    ("explore", "words"),
    [
        ({"labels": "/etc/passwd"}, "labels"),
        ({"labels": "mine.txt"}, "labels"),
        ({"captions": ["only one"]}, "1 labels"),
        ({"survivals": ["melting"]}, "melting"),
        ({"label": "a" * 201}, "label"),
        ({"path": "/etc"}, "path"),
        ({"victims": [7]}, "victims"),
        ([], "config"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_computed(handlers, upload, tmp_path, explore, words):
    with pytest.raises(StudioError, match=words):
        attack(handlers, upload, tmp_path / "out", explore)
    assert not (tmp_path / "out" / "image-1.png").exists()


def test_a_victim_that_is_in_no_list_is_named_and_nothing_else_is_loaded(handlers, upload, tmp_path):
    attack(handlers, upload, tmp_path / "out", {"victims": ["/etc/passwd"]})
    found = written(tmp_path / "out")
    assert found["victims"][1]["why_not"].startswith("There is no model '/etc/passwd'. Choose from the list")
    assert [row["victim"] for row in found["rows"]] == ["colours"]


def test_captions_stand_for_the_list():
    assert Wish(captions=("a", "b")).label_list().labels == ("a", "b")
    assert len(Wish().label_list().labels) == 10
    assert torch.is_grad_enabled()


@pytest.mark.slow
def test_published_models_attack_and_look_on_and_one_that_cannot_be_had_is_a_sentence(
    handlers, upload, tmp_path, monkeypatch
):
    weights = put_timm(empty_hub(tmp_path, monkeypatch))
    missing = "torchvision:squeezenet1_1"
    explore = {"victims": ["colours", missing], "survivals": []}
    folder = tmp_path / "out"
    options = {"models": (TIMM,), "classes": (), "objective": "leave", "steps": 2}
    result = attack(handlers, upload, folder, explore, **options)
    assert result["recipe"]["revisions"] == [file_digest(weights)]
    found = written(folder)
    victims = {one["model"]: one for one in found["victims"]}
    assert list(victims) == [TIMM, "colours", missing] and victims[TIMM]["labels"] == 1000
    assert f"'{missing}' are not here and could not be downloaded" in victims[missing]["why_not"]
    assert {row["victim"] for row in found["rows"]} == {TIMM, "colours"} and found["complete"]
    with pytest.raises(StudioError, match=f"'{missing}' are not here"):
        attack(handlers, upload, tmp_path / "none", explore, **{**options, "models": (missing,)})
    with pytest.raises(StudioError, match="timm has no pretrained classifier"):
        attack(handlers, upload, tmp_path / "other", explore, **{**options, "models": ("timm:nothing",)})


def test_a_users_function_is_no_model_for_a_page(handlers, upload, tmp_path):
    explore = {"victims": ["tests.robust_model.published:put_timm"], "survivals": []}
    attack(handlers, upload, tmp_path / "out", explore, steps=1)
    victims = {one["model"]: one for one in written(tmp_path / "out")["victims"]}
    assert "There is no model" in victims["tests.robust_model.published:put_timm"]["why_not"]
