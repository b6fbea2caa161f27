"""A worker of a cluster draws a job's pictures: all files and results are those of a job that is done here."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import JsonValue

from app.handlers.pictures import Workshop
from app.handlers.registry import is_of_pictures, make_handlers
from app.records.pictures import NothingMade
from app.visitors.data_dir import DataDir
from foundation.cluster.pool import Pool
from foundation.errors import StudioError
from foundation.images.files import pixel_digest
from foundation.jobs import JobRequest, JobService, JobSnapshot, JobStatus, run_foreground
from foundation.jobs.queue.lines import Elsewhere
from generator.recipes.recipe import Recipe
from tests.app.standins import workshop
from tests.generator.encoders.tiny import save_model
from tests.toy_cluster import ThreadBackend

EXPLORE = {"victims": ["other", "gratings"], "survivals": ["jpeg-30"]}


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def photo(data: DataDir) -> str:
    picture = Image.linear_gradient("L").resize((30, 20)).convert("RGB").point(lambda v: 60 + v // 2)
    digest = pixel_digest(picture)
    data.uploads.keep(picture, "local")
    return digest


def recipe(**fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"models": ("colours",), "classes": ("green",), "size": (16, 24), "resolutions": "1,2,4"}
    found: dict[str, Any] = json.loads(Recipe(**{**usual, "steps": 3, **fields}).to_json())
    return found


def with_workers(shop: Workshop, backend: ThreadBackend, seats: int = 1) -> Workshop:
    return replace(shop, pool=Pool(lambda: backend, seats))


def without_times(found: Any) -> Any:
    """What a report says, but for the seconds that it took."""
    if isinstance(found, dict):
        return {name: without_times(value) for name, value in found.items() if "seconds" not in name}
    return [without_times(one) for one in found] if isinstance(found, list) else found


def files_in(folder: Path) -> dict[str, Any]:
    return {
        path.name: without_times(json.loads(path.read_text())) if path.suffix == ".json" else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".mp4", ".csv")
    }


CASES = {
    "two pictures of a class": ("image", {"recipe": recipe(images=2)}),
    "an attack": (
        "attack",
        {"recipe": recipe(task="attack", norm="linf", eps=8 / 255, classes=("blue",)), "explore": EXPLORE},
    ),
    "an attack on pixels": (
        "attack",
        {"recipe": recipe(task="attack", norm="linf", eps=8 / 255, classes=("blue",), perturbation="pixel")},
    ),
    "from one prompt to another": (
        "text",
        {
            "recipe": recipe(
                task="text",
                models=("tiny",),
                classes=(),
                prompt="a red frog",
                prompt_to="a lemon",
                images=3,
                resolutions="1,2,4,24",
                views="crop:0.8-1",
                views_per_step=1,
            )
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_all_files_are_those_of_a_job_that_is_done_here(case: str, data: DataDir, photo: str, tmp_path: Path) -> None:
    kind, params = CASES[case]
    if kind == "attack":
        params = {**params, "source": photo}
    if kind == "text":
        save_model(data.models / "tiny", words=("a", "red", "frog", "lemon"))
    shop, backend = workshop(data), ThreadBackend()
    here = run_foreground(JobRequest(kind, params), make_handlers(shop), tmp_path / "here")
    seen: list[JobSnapshot] = []
    elsewhere = with_workers(shop, backend)
    there = run_foreground(JobRequest(kind, params), make_handlers(elsewhere), tmp_path / "there", seen.append)
    assert without_times(there) == without_times(here)
    assert files_in(tmp_path / "there") == files_in(tmp_path / "here")
    assert sum(worker.begun for worker in backend.hired) == 1
    assert any(one.done == 3 for one in seen) and len(seen[-1].curves) > 0
    elsewhere.pool.rest()
    assert backend.closed


def test_a_worker_keeps_the_models_for_the_next_picture_and_a_dead_one_is_replaced(
    data: DataDir, tmp_path: Path
) -> None:
    backend = ThreadBackend()
    shop = with_workers(workshop(data), backend)
    handlers = make_handlers(shop)
    for number in range(2):
        run_foreground(JobRequest("image", {"recipe": recipe()}), handlers, tmp_path / str(number))
    assert len(backend.hired) == 1 and backend.hired[0].begun == 2
    backend.hired[0].dead = True
    result = run_foreground(JobRequest("image", {"recipe": recipe()}), handlers, tmp_path / "after")
    assert result["images"] and len(backend.hired) == 2
    shop.pool.rest()


def test_stopped_before_a_worker_came_and_refused_by_one(data: DataDir, tmp_path: Path) -> None:
    class Nobody(ThreadBackend):
        def hire(self) -> Any:
            handle = super().hire()
            handle.introduction = lambda: None
            return handle

    shop = with_workers(workshop(data), Nobody())
    with JobService(tmp_path / "jobs", make_handlers(shop)) as service:
        job = service.submit(JobRequest("image", {"recipe": recipe()}, owner="anna"))
        while "Waiting for a worker" not in service.snapshot(job).message:
            time.sleep(0.01)
        service.stop(job, "anna")
        stopped = service.wait(job, 60.0)
    assert stopped.status is JobStatus.STOPPED and stopped.result is not None
    assert "before a worker" in NothingMade.read(stopped.result).note

    shop = with_workers(workshop(data), ThreadBackend(code="another"))
    with pytest.raises(StudioError, match="runs another version"):
        run_foreground(JobRequest("image", {"recipe": recipe()}), make_handlers(shop), tmp_path / "refused")


def test_what_a_cluster_does_is_done_side_by_side_and_stopped_within_a_step(data: DataDir, tmp_path: Path) -> None:
    shop = with_workers(workshop(data), ThreadBackend(), seats=2)
    lines = Elsewhere(("cluster 1", "cluster 2"), is_of_pictures)
    with JobService(tmp_path / "jobs", make_handlers(shop), elsewhere=lines) as service:
        long = {"recipe": recipe(steps=100_000)}
        jobs = [service.submit(JobRequest("image", long, owner="anna")) for _ in range(2)]
        while not all(service.snapshot(job).done > 2 for job in jobs):
            time.sleep(0.01)
        for job in jobs:
            service.stop(job, "anna")
        results = [service.wait(job, 60.0) for job in jobs]
    for found in results:
        assert found.status is JobStatus.STOPPED and found.result is not None
        steps: JsonValue = found.result["recipe"]["steps"]  # type: ignore[index, call-overload]
        assert isinstance(steps, int) and 2 < steps < 100_000
        assert (Path(found.folder) / "image-1.png").is_file()
    shop.pool.rest()


@pytest.mark.parametrize(
    ("kind", "params", "whole"),
    [
        ("text", {}, True),
        ("image", {}, True),
        ("attack", {"source": "0"}, True),
        ("attack", {"folder": {}}, False),
        ("grid", {}, False),
        ("evaluate", {}, False),
        ("train", {}, False),
    ],
)
def test_which_jobs_a_worker_does_whole(kind: str, params: dict[str, Any], whole: bool, tmp_path: Path) -> None:
    with JobService(tmp_path, {kind: lambda _context: {}}) as service:
        job = service.submit(JobRequest(kind, params, owner="anna"))
        record = service._jobs.find(job).record
    assert is_of_pictures(record) is whole
