"""Pictures of a text as jobs: parameters in, files and JSON out, with a tiny CLIP model in place of a real one."""

import json
import threading
from pathlib import Path

import av
import pytest
import torch
from PIL import Image

from app.handlers import layers
from app.handlers.layers import SavedLayers, load_shown
from app.handlers.onlookers import ask
from app.handlers.registry import make_handlers
from app.visitors.data_dir import DataDir
from foundation.catalogue.catalogue import Catalogue
from foundation.downloads.download import DownloadStopped
from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest, to_tensor
from foundation.jobs import JobRequest, JobService, JobStatus, run_foreground
from foundation.progress import Progress
from generator.recipes.recipe import Recipe
from tests.app.standins import toys, workshop
from tests.generator.encoders.tiny import save_model

WORDS = ("a", "red", "frog", "lemon", "text")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "tiny", words=WORDS, card="# Tiny\n\nKnows little.\n")


@pytest.fixture
def data(tmp_path, model_folder):
    data = DataDir(tmp_path / "data")
    data.create()
    (data.models / "tiny").symlink_to(model_folder)
    return data


@pytest.fixture
def shop(data):
    return workshop(data)


@pytest.fixture
def handlers(shop):
    yield make_handlers(shop)
    load_shown.cache_clear()


def recipe(**fields):
    defaults = {
        "task": "text",
        "models": ("tiny",),
        "prompt": "a red frog",
        "size": (16, 24),
        "resolutions": "1,2,4,24",
        "steps": 3,
        "views": "crop:0.8-1",
        "views_per_step": 1,
    }
    return json.loads(Recipe(**{**defaults, **fields}).to_json())


def keep(data, picture):
    digest = pixel_digest(picture)
    data.uploads.keep(picture, "local")
    return digest


@pytest.fixture
def photo(data):
    """A reddish photo of 20 x 30."""
    return keep(data, Image.linear_gradient("L").resize((30, 20)).convert("RGB").point(lambda v: 60 + v // 2))


def run(handlers, params, folder, seen=None):
    return run_foreground(JobRequest("text", params), handlers, folder, None if seen is None else seen.append)


def test_pictures_with_their_record(handlers, shop, tmp_path):
    seen, folder = [], tmp_path / "out"
    asked = recipe(images=2, negative="text")
    result = run(handlers, {"recipe": asked}, folder, seen)
    assert [image["file"] for image in result["images"]] == ["image-1.png", "image-2.png"]
    assert result["overview"] == "overview.png" and load_image(folder / "overview.png").width > 2 * 24
    assert "video" not in result and "losses" not in result and result["size"] == [16, 24]
    made = Recipe.from_png(folder / "image-2.png")
    assert made.prompt == "a red frog" and made.revisions == (shop.catalogue.find("tiny").revision,)
    for image in result["images"]:
        near = {entry["role"]: entry for entry in image["cosines"]["tiny"]}
        assert near["prompt"]["text"] == "a red frog" and near["negative"]["weight"] < 0
        assert -1 <= near["prompt"]["after"] <= 1 and image["after"] == {}
    assert {"total", "prompt", "negative"} <= set(seen[-1].curves)
    again = shop.timings.cost(Recipe(**asked), "cpu")  # what it took is what the next one will take
    assert 0 < again.steps <= 1.5 * result["seconds"]
    whole = to_tensor(SavedLayers().render(folder, 1, (1, 2, 4, 24)))
    assert (whole - to_tensor(load_image(folder / "image-2.png"))).abs().max() <= 1 / 255 + 1e-6


@pytest.mark.parametrize("norm", ["none", "linf"])
def test_a_photo_changes_inside_the_mask_only_and_within_its_budget(handlers, data, photo, tmp_path, norm):
    mask = Image.new("RGB", (30, 20))
    mask.paste((255, 255, 255), (10, 5, 22, 15))
    fields = {"start_std": 0.0, "norm": norm, "eps": 8 / 255 if norm == "linf" else 0.0, "resolutions": "1..20"}
    folder = tmp_path / "out"
    params = {"recipe": recipe(**fields), "source": photo, "mask": keep(data, mask)}
    result = run(handlers, params, folder)
    (image,) = result["images"]
    before, after = (to_tensor(load_image(folder / image[name])) for name in ("source", "file"))
    inside = to_tensor(mask)[:, :1].bool().expand_as(before)
    assert torch.equal(before[~inside], after[~inside])
    change = (after - before)[inside].abs()
    assert change.max() > 0 and image["linf"] == pytest.approx(change.max().item(), abs=1e-6)
    assert norm == "none" or change.max() <= 8 / 255 + 1e-6
    assert result["recipe"]["source"] == photo and result["recipe"]["mask"] == params["mask"]
    assert result["size"] == [20, 30]
    shown = SavedLayers()
    whole = to_tensor(shown.render(folder, 0, shown.resolutions(folder, 0)))
    assert (whole - after).abs().max() <= 2 / 255
    assert torch.equal(to_tensor(shown.render(folder, 0, ())), before)  # without layers the photo is left...
    alone = shown.render(folder, 0, (), on_grey=True).getextrema()  # ...or, by themselves, grey
    assert alone == ((128, 128),) * 3


def test_target_and_style_pictures_count_and_stay_with_the_job(handlers, data, photo, tmp_path):
    other = keep(data, Image.new("RGB", (16, 12), (20, 200, 40)))
    params = {"recipe": recipe(prompt="", target=photo, style=other), "target": photo, "style": other}
    folder = tmp_path / "out"
    result = run(handlers, params, folder)
    assert {entry["role"] for entry in result["images"][0]["cosines"]["tiny"]} == {"target", "style"}
    assert pixel_digest(load_image(folder / "style.png")) == other


def test_from_one_prompt_to_another_as_strip_and_video(handlers, tmp_path):
    folder = tmp_path / "out"
    result = run(handlers, {"recipe": recipe(prompt_to="a lemon", images=3)}, folder)
    assert load_image(folder / result["overview"]).size == (3 * 24 + 2 * 4, 16)
    with av.open(str(folder / result["video"])) as video:
        assert sum(1 for _ in video.decode(video=0)) == 4  # there and back again


def test_classes_join_in_and_are_answered_for(handlers, tmp_path):
    fields = {"models": ("tiny", "colours"), "classes": ("green",), "class_weight": 1.0}
    result = run(handlers, {"recipe": recipe(**fields)}, tmp_path / "out")
    assert set(result["images"][0]["after"]) == {"colours"}
    assert result["recipe"]["revisions"][1] == "0" * 15 + "1"


def test_words_nobody_knows(handlers, tmp_path):
    result = run(handlers, {"recipe": recipe(prompt="a purple frog")}, tmp_path / "one")
    assert result["unknown_words"] == {"tiny": ["purple"]}
    with pytest.raises(StudioError, match="never saw any of the words"):
        run(handlers, {"recipe": recipe(prompt="purple zebras")}, tmp_path / "two")


@pytest.mark.parametrize("name", ["huge", "../models/tiny", "/tmp", "local-dir:/tmp", "hf-hub:someone/something"])
def test_only_listed_models_are_used(handlers, tmp_path, name):
    with pytest.raises(StudioError, match="no model"):
        run(handlers, {"recipe": recipe(models=(name,))}, tmp_path / "out")


def test_a_damaged_checkpoint_is_a_sentence_and_the_studio_goes_on(handlers, data, model_folder):
    broken = data.models / "broken"
    broken.mkdir()
    (broken / "open_clip_config.json").write_text((model_folder / "open_clip_config.json").read_text())
    whole = (model_folder / "open_clip_model.safetensors").read_bytes()
    (broken / "open_clip_model.safetensors").write_bytes(whole[: len(whole) // 2])
    with JobService(data.root, handlers) as service:
        failed = service.submit(JobRequest("text", {"recipe": recipe(models=("broken",))}))
        fine = service.submit(JobRequest("text", {"recipe": recipe()}))
        assert "damaged" in (service.wait(failed, 60).error or "")
        assert service.wait(fine, 60).status is JobStatus.DONE


def test_no_memory_is_advice(handlers, shop, tmp_path, monkeypatch):
    def load(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(shop.catalogue, "load", load)
    with pytest.raises(StudioError, match="smaller size"):
        run(handlers, {"recipe": recipe()}, tmp_path / "out")


def test_a_download_reports_and_can_be_stopped(handlers, data, shop, monkeypatch):
    begun = threading.Event()

    def load(_name, _device, context, **_options):
        while not context.stop_requested:
            context.progress(Progress(3, 10, "Downloading it", unit="bytes"))
            begun.set()
        raise DownloadStopped("The download was stopped. What has arrived is kept.")

    monkeypatch.setattr(shop.catalogue, "load", load)
    with JobService(data.root, handlers) as service:
        job = service.submit(JobRequest("text", {"recipe": recipe()}, owner="anna"))
        assert begun.wait(30)
        snapshot = service.snapshot(job)
        assert (snapshot.done, snapshot.total, snapshot.message, snapshot.unit) == (3, 10, "Downloading it", "bytes")
        service.stop(job, "anna")
        ended = service.wait(job, 30)
    assert ended.status is JobStatus.STOPPED
    assert ended.result == {"note": "The download was stopped. What has arrived is kept.", "images": []}


def test_layers_that_are_too_large_are_kept_as_bands(handlers, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    monkeypatch.setattr(layers, "MAX_BYTES", 12 * 16 * 24 * 6)
    run(handlers, {"recipe": recipe(resolutions="1..24")}, folder)
    shown = SavedLayers()
    assert shown.resolutions(folder, 0) == list(range(1, 25))
    whole = to_tensor(shown.render(folder, 0, range(1, 25)))
    assert (whole - to_tensor(load_image(folder / "image-1.png"))).abs().max() <= 1 / 255 + 1e-6
    coarse = to_tensor(shown.render(folder, 0, (1,)))
    assert coarse.var(dim=(2, 3)).max() < 1e-4 and coarse.var(dim=1).max() > 0  # one colour
    assert not torch.equal(to_tensor(shown.render(folder, 0, (1, 2, 3))), coarse)


def test_classifiers_can_be_asked_about_any_picture(tmp_path):
    path = tmp_path / "green.png"
    Image.new("RGB", (8, 8), (0, 255, 0)).save(path)
    said = ask(path, Catalogue([toys()]), "cpu")
    assert said["colours"].first == "green" and "damaged" not in said


@pytest.mark.parametrize("name", ["source", "target", "style", "mask"])
@pytest.mark.parametrize("digest", ["../secret", "0" * 64, ["x"]])
def test_only_uploads_are_opened(handlers, tmp_path, name, digest):
    with pytest.raises(StudioError, match="bring it again"):
        run(handlers, {"recipe": recipe(), name: digest}, tmp_path / "out")
    assert not Path(tmp_path / "out" / f"{name}.png").exists()
