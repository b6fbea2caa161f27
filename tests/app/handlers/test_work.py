"""The kinds of jobs end to end: parameters in, files and JSON out, with tiny models in place of real ones."""

import json
import os
import signal
import time
from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from app.handlers.layers import SavedLayers, load_shown
from app.handlers.registry import guarded, make_handlers
from app.visitors.data_dir import DataDir
from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest, read_metadata, to_tensor
from foundation.jobs import Discarded, JobRequest, JobService, JobStatus, run_foreground
from generator.recipes.recipe import Recipe
from tests.app.standins import workshop

AFTER_A_HURRY = {"image-1.png", "image-1.json", "result.json", "card.jpg"}
"""What there is of a large picture whose job was stopped: neither its layers nor its spectrum."""


@pytest.fixture
def data(tmp_path):
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def handlers(data):
    return make_handlers(workshop(data))


def recipe(**fields):
    defaults = {"models": ("colours",), "classes": ("green",), "size": (16, 24), "resolutions": "1,2,4", "steps": 3}
    return json.loads(Recipe(**{**defaults, **fields}).to_json())


def attack_recipe(**fields):
    return recipe(**{"task": "attack", "norm": "linf", "eps": 8 / 255, "classes": ("blue",), **fields})


@pytest.fixture
def upload(data):
    """A reddish photo of 20 x 30, kept as the page keeps it; its digest."""
    picture = Image.new("RGB", (30, 20), (150, 120, 110))
    digest = pixel_digest(picture)
    data.uploads.keep(picture, "local")
    return digest


def run(handlers, kind, params, folder, seen=None):
    return run_foreground(JobRequest(kind, params), handlers, folder, None if seen is None else seen.append)


def test_an_image_job_makes_pictures_that_carry_their_recipe(handlers, tmp_path):
    seen, folder = [], tmp_path / "out"
    result = run(handlers, "image", {"recipe": recipe(images=2)}, folder, seen)
    assert [image["file"] for image in result["images"]] == ["image-1.png", "image-2.png"]
    assert result["size"] == [16, 24] and "losses" not in result
    assert result["recipe"]["revisions"] == ["0" * 15 + "1"]
    for image in result["images"]:
        assert load_image(folder / image["file"]).size == (24, 16)
        assert Recipe.from_png(folder / image["file"]).classes == ("green",)
        assert image["after"]["colours"]["top"][0]["class"] == "green"
        # other models with the same classes look on; the damaged one is left out
        assert set(image["after"]) == {"colours", "other"}
    assert [(one.done, one.total) for one in seen if one.done] == [(1, 3), (2, 3), (3, 3)]
    assert [step for step, _ in seen[-1].curves["total"]] == [1, 2, 3]
    saved = json.loads((folder / "result.json").read_text())
    assert len(saved["losses"]["total"]) == 3 and saved["images"] == result["images"]


@pytest.mark.parametrize("colour", ["rgb", "decorrelated"])
def test_layers_are_kept_and_can_be_switched(handlers, tmp_path, colour):
    folder = tmp_path / "out"
    run(handlers, "image", {"recipe": recipe(images=2, colour=colour)}, folder)
    layers = SavedLayers()
    assert layers.resolutions(folder, 1) == [1, 2, 4]
    whole = to_tensor(layers.render(folder, 1, (1, 2, 4)))
    assert (whole - to_tensor(load_image(folder / "image-2.png"))).abs().max() <= 1 / 255 + 1e-6
    assert layers.render(folder, 1, ()).getextrema() == ((128, 128),) * 3
    assert layers.resolutions(folder, 2) == () and layers.resolutions(tmp_path, 0) == ()
    load_shown.cache_clear()


@pytest.mark.parametrize("perturbation", ["layers", "pixel"])
@pytest.mark.parametrize("norm", ["linf", "l2", "none"])
def test_an_attack_starts_from_the_upload_and_keeps_its_budget(handlers, data, upload, tmp_path, norm, perturbation):
    folder, eps = tmp_path / "out", {"linf": 8 / 255, "l2": 0.5, "none": 0.0}[norm]
    asked = attack_recipe(norm=norm, eps=eps, perturbation=perturbation)
    result = run(handlers, "attack", {"recipe": asked, "source": upload}, folder)
    (image,) = result["images"]
    before, after = (to_tensor(load_image(folder / image[name])) for name in ("source", "file"))
    change = after - before
    assert image["linf"] == pytest.approx(change.abs().max().item(), abs=1e-6) and image["linf"] > 0
    if norm == "linf":
        assert change.abs().max() <= eps + 1e-6
    if norm == "l2":
        assert change.norm() <= eps + 1e-4
    assert result["size"] == [20, 30] and pixel_digest(load_image(folder / "source.png")) == upload
    shown = to_tensor(load_image(folder / image["perturbation"]["file"]))
    expected = (0.5 + image["perturbation"]["factor"] * change).clamp(0, 1)
    assert (shown - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert set(image["before"]) == set(image["after"]) == {"colours", "other"}
    check_parts(folder, image["perturbation"]["parts"], change, perturbation)
    whole = to_tensor(SavedLayers().render(folder, 0, SavedLayers().resolutions(folder, 0)))
    assert (whole - after).abs().max() <= 2 / 255
    load_shown.cache_clear()


def check_parts(folder, parts, change, perturbation):
    """The files of the parts, each scaled back by its factor, add up to the change."""
    together, rounding = torch.zeros_like(change), 0.0
    for part in parts["shown"]:
        shown = to_tensor(load_image(folder / part["file"])) - 0.5
        assert shown.abs().max() == pytest.approx(0.5 if part["largest"] else 0.5 / 255, abs=0.5 / 255 + 1e-6)
        together += shown / part["factor"]
        rounding += 0.5 / 255 / part["factor"]
    assert (together - change).abs().max() <= rounding + parts["rest"] + 1e-6
    if perturbation == "layers":
        assert [part["resolutions"] for part in parts["shown"]] == [[1], [2], [4]]
        assert [part["cells"] for part in parts["shown"]] == [[1, 1], [1, 2], [3, 4]]
        assert parts["kind"] == "layers" and parts["rest"] <= 1 / 255 + 1e-6
    else:
        assert [part["from"] for part in parts["shown"]] == [None, 60, 30, 15, 7.5, 3.75]
        assert [part["to"] for part in parts["shown"]] == [None, 30, 15, 7.5, 3.75, 2]
        assert parts["kind"] == "octaves" and parts["rest"] <= 1e-6


def test_the_picture_carries_its_recipe_unless_that_is_switched_off(handlers, upload, tmp_path):
    params = {"recipe": attack_recipe(), "source": upload}
    for wanted, folder in ((True, tmp_path / "a"), (False, tmp_path / "b")):
        result = run(handlers, "attack", {**params, "with_recipe": wanted} if not wanted else params, folder)
        assert result["with_recipe"] is wanted and result["recipe"]["classes"] == ["blue"]
        carried = {path.name for path in folder.glob("*.png") if read_metadata(path)}
        assert carried == ({"image-1.png"} if wanted else set())
    assert load_image(tmp_path / "a/image-1.png").tobytes() == load_image(tmp_path / "b/image-1.png").tobytes()
    with pytest.raises(StudioError, match="with_recipe"):
        run(handlers, "attack", {**params, "with_recipe": "no"}, tmp_path / "c")


@pytest.mark.parametrize("source", ["", "../secret", "/etc/passwd", "0" * 64, None, 7, ["x"]])
def test_only_uploads_can_be_attacked(handlers, upload, tmp_path, source):
    with pytest.raises(StudioError, match="bring it again"):
        run(handlers, "attack", {"recipe": attack_recipe(), "source": source}, tmp_path / "out")


def test_a_path_is_no_digest_even_if_its_name_is_one(handlers, upload, tmp_path):
    """S1: nothing of a path counts."""
    with pytest.raises(StudioError, match="bring it again"):
        run(handlers, "attack", {"recipe": attack_recipe(), "source": f"x/{upload}.png"}, tmp_path / "out")


def test_a_picture_of_somebody_else_cannot_be_attacked(handlers, upload, tmp_path):
    """S3: knowing the digest of a photo is no permission to use it."""
    request = JobRequest("attack", {"recipe": attack_recipe(), "source": upload}, owner="b" * 32)
    with pytest.raises(StudioError, match="bring it again"):
        run_foreground(request, handlers, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("image", {}, "recipe"),
        ("image", {"recipe": {"classes": ["green"], "colour": 1}}, "colour"),
        ("image", {"recipe": {**recipe(), "models": ["missing"]}}, "no model 'missing'"),
        ("image", {"recipe": {**recipe(), "models": ["/etc"]}}, "no model '/etc'"),
        ("image", {"recipe": {**recipe(), "classes": ["purple"]}}, "purple"),
        ("image", {"recipe": attack_recipe()}, "task 'attack'"),
        ("attack", {"recipe": recipe()}, "task 'class'"),
        ("evaluate", {}, "not valid"),
        ("evaluate", {"config": {"model": "gratings", "data": "synthetic", "eps": 7}}, "'eps'"),
        ("evaluate", {"config": {"model": "/etc", "data": "synthetic"}}, "no model '/etc'"),
        ("evaluate", {"config": {"model": "gratings", "data": "folder:/etc"}}, "named data sets"),
        ("train", {"config": {"data": "synthetic", "model": {}}}, "model.class_names"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(handlers, tmp_path, kind, params, words):
    with pytest.raises(StudioError, match=words):
        run(handlers, kind, params, tmp_path / "out")


def test_training_takes_neither_folders_nor_weights_from_a_page(handlers, tmp_path):
    model = {"class_names": [f"grating {index}" for index in range(4)]}
    for extra in ({"data": "folder:/etc"}, {"data": "synthetic:64", "start_from": "/etc"}):
        with pytest.raises(StudioError, match="python -m robust_model"):
            run(handlers, "train", {"config": {"model": model, **extra}}, tmp_path / "out")


def test_stopping_keeps_the_picture_of_that_moment(handlers, tmp_path):
    folder = tmp_path / "out"

    def interrupt(snapshot):
        if snapshot.done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    request = JobRequest("image", {"recipe": recipe(steps=50)})
    result = run_foreground(request, handlers, folder, interrupt)
    assert result["stopped"] and result["recipe"]["steps"] == 2 and (folder / "image-1.png").is_file()


@pytest.mark.slow
def test_stopping_keeps_the_largest_picture_within_a_second_or_one_of_its_own_steps(handlers, tmp_path):
    """Asked in the middle of a step, which is abandoned: one PNG; what else is found out comes after it.

    Seconds are those of a machine that nobody knows: on one whose steps take longer than a second, as long as the one
    that this very job took before is allowed.
    """
    folder, told, asked = tmp_path / "out", [], []

    def interrupt():
        asked.append(time.time())
        os.kill(os.getpid(), signal.SIGINT)

    def hear(snapshot):
        if snapshot.done > len(told):
            told.append(time.time())
            if snapshot.done == 2:
                Timer((told[1] - told[0]) / 4, interrupt).start()

    request = JobRequest("image", {"recipe": recipe(size=(2048, 2048), resolutions="auto", steps=50)})
    result = run_foreground(request, handlers, folder, hear)
    ended = time.time()
    step = told[1] - told[0]
    kept = (folder / "image-1.png").stat().st_mtime
    assert result["stopped"] and result["recipe"]["steps"] == 2
    assert to_tensor(load_image(folder / "image-1.png")).shape == (1, 3, 2048, 2048)
    allowed = max(1.0, step)
    assert kept - asked[0] < allowed and ended - kept < allowed
    first = min((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime)
    assert first.name == "image-1.png" and {path.name for path in folder.iterdir()} <= AFTER_A_HURRY


def test_discarding_leaves_nothing(handlers, tmp_path):
    folder = tmp_path / "out"

    def interrupt(snapshot):
        if snapshot.done == 1:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Discarded):
        run_foreground(JobRequest("image", {"recipe": recipe(steps=50)}), handlers, folder, interrupt)
    assert not folder.exists()


def test_in_the_service_it_previews_and_ends_with_a_result(handlers, tmp_path):
    with JobService(tmp_path / "data", handlers, preview_interval_s=0.0) as service:
        job = service.submit(JobRequest("image", {"recipe": recipe(images=2)}, owner="anna"))
        done = service.wait(job, 60.0)
    assert done.status is JobStatus.DONE, done.error
    with Image.open(done.preview) as preview:
        assert preview.size == (48, 16)  # two pictures of 24 x 16 side by side
    assert done.preview_version == 3
    assert (Path(done.folder) / done.result["images"][0]["file"]).is_file()


@pytest.mark.slow
def test_an_evaluation_reports_and_keeps_the_whole_report(handlers, tmp_path):
    config = {"model": "gratings", "data": "synthetic:16", "count": 8, "steps": 1, "restarts": 1}
    folder = tmp_path / "out"
    result = run(handlers, "evaluate", {"config": config}, folder)
    saved = json.loads((folder / "result.json").read_text())
    assert result["clean"] == saved["clean"] and result["clean"]["n"] == 8
    assert "per_image" in saved and "per_image" not in result and "indices" not in result["data"]


def test_training_ends_with_a_run_that_can_go_on(handlers, tmp_path):
    model = {"class_names": [f"grating {index}" for index in range(4)], "widths": [4], "blocks": [1], "input_size": 16}
    config = {"model": model, "data": "synthetic:64", "epochs": 1, "batch": 16, "holdout": 16}
    folder, seen = tmp_path / "out", []
    result = run(handlers, "train", {"config": config}, folder, seen)
    assert result["complete"] and result["step"] == result["steps"] == 3
    assert (folder / result["run"] / "checkpoint.safetensors").is_file()
    assert "loss" in seen[-1].curves and "holdout_clean" in seen[-1].curves


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_memory_that_runs_out_becomes_advice(error):
    def handler(context):
        raise error

    with pytest.raises(StudioError, match="smaller size"):
        guarded(handler)(SimpleNamespace(device="cpu"))


def test_other_faults_pass_and_missing_devices_are_named():
    def handler(context):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        guarded(handler)(SimpleNamespace(device="cpu"))
    if not torch.cuda.is_available():
        with pytest.raises(StudioError, match="no CUDA device"):
            guarded(handler)(SimpleNamespace(device="cuda:0"))
