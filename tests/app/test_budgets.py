"""What one visitor may ask for: memory and hours of a job, turns in the queue, and what is kept of it."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from app import upkeep
from app.costs.timings import Timings, Took
from app.handlers.costs import cost_of
from app.ui.forgetting import forget_visitor
from app.visitors.uploads import Uploads
from app.visitors.visitor import NotesAddress, visitor_address
from foundation.errors import StudioError
from foundation.jobs import Cost, JobError, JobRequest, JobService, JobStatus, QueueFullError
from foundation.jobs.admission import check_cost, check_room
from foundation.jobs.context import Job
from foundation.jobs.queue.turns import Turns
from foundation.jobs.store.model import RECORD_VERSION, JobRecord
from foundation.jobs.store.scratch import PREFIX, sweep
from foundation.limits import DAY_SECONDS, Limits
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from tests.foundation.jobs.puppet import PATIENCE, Puppet, change_rows, on_disk

ANNA, BEN = "a" * 32, "b" * 32
LARGE = from_preset(
    "text", prompt="a frog", size=(4096, 4096), images=16, views_per_step=1024, steps=100_000, resolutions="1..40"
)


def record(owner, **more) -> JobRecord:
    values = {"version": RECORD_VERSION, "id": "0" * 32, "sequence": 1, "kind": "work", "title": "", "params": {}}
    return JobRecord(**{**values, "device": "cpu", "created": 0.0, "owner": owner, **more})


def request(owner=ANNA, recipe=None, **params):
    fields = params if recipe is None else {**params, "recipe": json.loads(recipe.to_json())}
    return JobRequest("work", fields, owner=owner)


def test_a_form_that_asks_for_too_much_is_refused_before_anything_is_allocated(start, tmp_path) -> None:
    """S4: 4096 x 4096, 16 pictures, 1,024 views, 100,000 steps: refused by its estimated bytes."""
    uploads = Uploads(tmp_path / "uploads")
    timings = Timings(tmp_path / "timings.json")
    service = start(cost=lambda asked: cost_of(asked, uploads, timings))
    with pytest.raises(JobError, match=r"at least 2\d\.\d GB of memory.*choose a smaller size"):
        service.submit(request(recipe=LARGE))
    assert service.list() == [] and list((tmp_path / "jobs").iterdir()) == []
    usual = service.submit(request(recipe=from_preset("text", prompt="a frog")))
    assert service.wait(usual, PATIENCE).status is JobStatus.DONE


def test_hours_count_where_strangers_share_a_machine() -> None:
    """S4: on a network a job has so many hours, and the waiting jobs of a visitor have so many together."""
    far, here = Limits().here(local=False), Limits().here(local=True)
    check_cost(Cost(hours=37.0), here)
    with pytest.raises(JobError, match="about 37 hours, and one job may take 4 here"):
        check_cost(Cost(hours=37.0), far)
    waiting = [record(ANNA, hours=3.0), record(ANNA, hours=3.0)]
    with pytest.raises(QueueFullError, match="8 together"):
        check_room(JobRequest("work", {}, owner=ANNA), Cost(hours=3.0), waiting, far)
    check_room(JobRequest("work", {}, owner=BEN), Cost(hours=3.0), waiting, far)
    many = [record(f"{n:032d}", address="1.2.3.4") for n in range(100)]
    with pytest.raises(QueueFullError, match="100 jobs waiting"):
        check_room(JobRequest("work", {}, owner=BEN, address="1.2.3.4"), Cost(), many, far)
    check_room(JobRequest("work", {}, owner=BEN, address="5.6.7.8"), Cost(), many, far)
    assert here.job_bytes <= 16e9 and far.jobs_days == 30 and here.jobs_days == float("inf")


def test_what_a_job_costs_follows_what_its_recipe_asks_for(tmp_path) -> None:
    """S4: every field that multiplies the work multiplies the estimate; a photo counts by its own size."""
    uploads, timings = Uploads(tmp_path), Timings(tmp_path / "timings.json")

    def cost(recipe, **params):
        return cost_of(request(recipe=recipe, **params), uploads, timings)

    plain = from_preset("text", prompt="a frog", size=(64, 64))
    usual = cost(plain)
    for changes, memory in [({"images": 4}, 4), ({"size": (128, 128)}, 4), ({"steps": plain.steps * 10}, 1)]:
        more = cost(plain.with_changes(**changes))
        assert more.bytes == pytest.approx(memory * usual.bytes) and more.hours > 1.01 * usual.hours, changes
    digest = uploads.keep(Image.new("RGB", (640, 320)), ANNA).digest
    photo = cost(plain, source=digest)
    assert photo.bytes == 50 * usual.bytes
    assert cost_of(JobRequest("evaluate", {"config": {}}), uploads, timings) == Cost(hours=1.0, known=False)
    with pytest.raises(StudioError, match="no longer here"):
        cost(plain, source="0" * 64)


def test_a_folder_costs_what_its_photos_cost_together(tmp_path) -> None:
    """S4: hours add up, memory does not; a photo that is gone, or too small for the layers, is left out."""
    uploads, timings = Uploads(tmp_path), Timings(tmp_path / "timings.json")
    recipe = from_preset("attack", steps=9).with_changes(resolutions="8,32")
    sizes = [(64, 48), (640, 320), (9, 8)]
    digests = [uploads.keep(Image.new("RGB", size), ANNA).digest for size in sizes]

    def cost(*photos, **params):
        named = [{"digest": digest, "name": str(number)} for number, digest in enumerate(photos)]
        folder = {"photos": named, **params}
        return cost_of(request(recipe=recipe, folder=folder), uploads, timings)

    small, large = cost(digests[0]), cost(digests[1])
    both = cost(digests[0], digests[1], digests[0], "0" * 64, digests[2])
    assert both.hours == pytest.approx(2 * small.hours + large.hours) and both.bytes == large.bytes
    assert cost(digests[0], alone=True).hours == 2 * small.hours
    with pytest.raises(StudioError, match="Resolutions"):
        cost(digests[2])


def test_hours_are_those_of_the_device(tmp_path) -> None:
    """S4: a job that is quick on one device may take too long on another; what was measured there says so."""
    uploads, timings = Uploads(tmp_path), Timings(tmp_path / "timings.json")
    recipe = from_preset("text", prompt="a frog")
    before = cost_of(request(recipe=recipe), uploads, timings)
    timings.note(recipe, "cpu", Took(step=100.0, after=10.0))
    asked = request(recipe=recipe)
    after = cost_of(asked, uploads, timings)
    assert after.hours == pytest.approx((100 * recipe.steps + 10) / 3600) and after.bytes == before.bytes
    assert cost_of(dataclasses.replace(asked, device="cuda"), uploads, timings) == before


def test_layers_count_where_they_are_held(tmp_path) -> None:
    """S4: by hand: seven copies of the pictures, three of every layer; what is refused is refused at 16 GB."""
    uploads, timings = Uploads(tmp_path), Timings(tmp_path / "timings.json")

    def needs(recipe):
        return cost_of(request(recipe=recipe), uploads, timings).bytes

    layered = Recipe(resolutions="all", size=(512, 512), form="layered")
    cells = sum(side * side for side in range(1, 513))
    assert needs(layered) == 12 * (7 * 512 * 512 + 3 * cells)
    assert needs(layered.with_changes(form="image_space")) == 12 * 7 * 512 * 512
    with pytest.raises(JobError, match=r"at least 18\.0 GB"):
        check_cost(Cost(needs(layered.with_changes(images=11))), Limits())
    check_cost(Cost(needs(layered.with_changes(images=9))), Limits())


def queued(*names: str) -> Turns:
    """Jobs waiting: "anna" is the owner, "anna@1.2.3.4" one at an address."""
    turns = Turns()
    for place, name in enumerate(names):
        turns.append(a_job(name, place))
    return turns


def a_job(name, place):
    owner, _, address = name.partition("@")
    return Job(record(owner, address=address, title=f"{name} {place}"), Path("nowhere"))


def order(turns: Turns) -> list[str]:
    expected = [job.record.title for job in turns]
    taken = [turns.popleft().record.title for _ in range(len(turns))]
    assert taken == expected, "positions in the queue are not the order in which jobs run"
    return taken


def test_owners_take_turns() -> None:
    """S4: a second owner's job runs after one of the first's, however many of those wait."""
    assert order(queued("anna", "anna", "anna", "ben")) == ["anna 0", "ben 3", "anna 1", "anna 2"]
    turns = queued("anna", "anna")
    assert turns.popleft().record.title == "anna 0"  # runs; then somebody else comes
    turns.append(a_job("ben", 2))
    assert [job.record.title for job in turns] == ["ben 2", "anna 1"]
    last = next(iter(turns))
    turns.remove(last)
    assert len(turns) == 1
    with pytest.raises((KeyError, ValueError)):
        turns.remove(last)


def test_addresses_take_turns_whatever_owners_they_make_up() -> None:
    """S4: made-up owners of one address have one turn together."""
    made_up = [f"x{n}@6.6.6.6" for n in range(20)]
    assert order(queued(*made_up, "anna@1.2.3.4", "anna@1.2.3.4"))[:4] == [
        "x0@6.6.6.6 0", "anna@1.2.3.4 20", "x1@6.6.6.6 1", "anna@1.2.3.4 21",
    ]  # fmt: skip


def test_the_service_lets_owners_take_turns(start) -> None:
    """S4: in the running service, too, and positions say so."""
    puppet, ran = Puppet(), []

    def handler(context):
        ran.append(context.owner)
        return puppet(context) if context.params.get("hold") else {}

    service = start({"work": handler})
    first = service.submit(request(ANNA, hold=True))
    while not ran:
        time.sleep(0.01)
    mine = [service.submit(request(ANNA)) for _ in range(3)]
    other = service.submit(request(BEN))
    assert service.snapshot(other).position == 1 and service.snapshot(mine[0]).position == 2
    puppet.release()
    for job in (first, *mine, other):
        service.wait(job, PATIENCE)
    assert ran == [ANNA, BEN, ANNA, ANNA, ANNA]


def test_the_queue_can_be_cleared_while_a_studio_runs_and_when_none_does(tmp_path) -> None:
    """S4: by a command; every waiting job is stopped and says why, on the disk, too."""
    assert "Nothing waits" in upkeep.clear_queue(tmp_path)
    hold = Puppet()
    with JobService(tmp_path, {"work": hold}) as service:
        running = service.submit(request(hold=True))
        while service.snapshot(running).status is not JobStatus.RUNNING:
            time.sleep(0.01)
        waiting = [service.submit(request(owner)) for owner in (ANNA, BEN)]
        upkeep.Upkeep(service, tmp_path, tmp_path / "cache").start()
        assert "running studio has cleared" in upkeep.clear_queue(tmp_path)
        assert {service.snapshot(job).status for job in waiting} == {JobStatus.STOPPED}
        assert "cleared the queue" in (service.snapshot(waiting[0]).error or "")
        again = service.submit(request())
        hold.release()
        service.wait(running, PATIENCE)
        service.wait(again, PATIENCE)
    change_rows(service, "UPDATE jobs SET status = 'queued' WHERE id = ?", again)
    (tmp_path / "jobs" / again / "job.json").unlink()
    assert "1 jobs" in upkeep.clear_queue(tmp_path)
    assert on_disk(service, again)["status"] == "stopped"


def test_a_picture_goes_with_the_last_job_that_needed_it(start, tmp_path) -> None:
    """S3: after Discard the photo is gone, unless another job of the same visitor needs it."""
    uploads = Uploads(tmp_path / "uploads")
    service = start(uploads=uploads)
    digest = uploads.keep(Image.new("RGB", (9, 8)), ANNA).digest
    uploads.keep(Image.new("RGB", (9, 8)), BEN)
    first, second = (service.submit(request(source=digest)) for _ in range(2))
    for job in (first, second):
        service.wait(job, PATIENCE)
    service.discard(first, ANNA)
    assert uploads.has(digest, ANNA)
    service.remove(second, ANNA)
    assert not uploads.has(digest, ANNA) and uploads.has(digest, BEN)


def test_a_running_job_that_is_discarded_takes_its_picture_along(start, tmp_path) -> None:
    """S3: the same where the job ends later."""
    uploads, hold = Uploads(tmp_path / "uploads"), Puppet()
    service = start(hold, uploads=uploads)
    digest = uploads.keep(Image.new("RGB", (9, 8)), ANNA).digest
    job = service.submit(request(source=digest))
    while service.snapshot(job).status is not JobStatus.RUNNING:
        time.sleep(0.01)
    service.discard(job, ANNA)
    hold.release()
    service.wait(job, PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while uploads.has(digest, ANNA) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not uploads.has(digest, ANNA)


def test_old_jobs_and_those_beyond_the_limit_are_removed(start, clock, tmp_path) -> None:
    """S15: jobs are pruned by number and by age, with their pictures; S11: pictures of no job after some days."""
    uploads = Uploads(tmp_path / "uploads")
    service = start(limits=Limits(jobs_kept_per_owner=2, jobs_days=10.0), uploads=uploads)
    jobs = []
    for owner in (ANNA, ANNA, ANNA, BEN):
        jobs.append(service.submit(request(owner)))
        service.wait(jobs[-1], PATIENCE)
    service.tidy()
    assert {job.id for job in service.list()} == set(jobs[1:])
    clock.time += 11 * DAY_SECONDS
    service.tidy()
    assert service.list() == [] and list((tmp_path / "jobs").iterdir()) == []


def test_a_data_folder_that_was_removed_is_made_anew(start, tmp_path) -> None:
    """S15: the next job runs, and so does one that was waiting; nobody has to start the studio again."""
    import shutil

    hold = Puppet()
    service = start(hold)
    running = service.submit(request(hold=True))
    while service.snapshot(running).status is not JobStatus.RUNNING:
        time.sleep(0.01)
    waiting = service.submit(request())
    shutil.rmtree(tmp_path)
    new = service.submit(request())
    hold.release()
    for job in (waiting, new):
        done = service.wait(job, PATIENCE)
        assert done.status is JobStatus.DONE, done.error
    assert oct((tmp_path / "jobs").stat().st_mode & 0o777) == "0o700"


@pytest.mark.slow
def test_what_a_killed_command_left_is_swept(tmp_path) -> None:
    """S15: `crossmax-job-*` of commands that were killed go; those in use, new ones and links stay."""
    old = [tmp_path / f"{PREFIX}{name}" for name in ("dead", "alive", "young")]
    for folder in old:
        folder.mkdir()
        (folder / "x").write_text("x")
    code = f"""
import sys, time
from pathlib import Path
from foundation.jobs.store.locks import DirectoryLock
lock = DirectoryLock(Path({str(old[1])!r}) / ".lock")
print("held", flush=True)
sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        (tmp_path / f"{PREFIX}link").symlink_to(tmp_path)
        for folder in old[:2]:
            os.utime(folder, (0, 0))
        sweep(tmp_path)
        assert [folder.exists() for folder in old] == [False, True, True]
        assert (tmp_path / f"{PREFIX}link").is_symlink()
    finally:
        holder.communicate()


def test_unfinished_uploads_go_at_the_start_and_after_an_hour(tmp_path) -> None:
    """S11: by what lies on the disk, so that a kill changes nothing."""
    cache = tmp_path / "cache"
    (cache / "ab").mkdir(parents=True)
    for name in ("old.jpg", "new.jpg"):
        (cache / "ab" / name).write_bytes(b"x")
    os.utime(cache / "ab" / "old.jpg", (0, 0))
    upkeep.empty(cache, older_than=3600)
    assert [path.name for path in cache.rglob("*.jpg")] == ["new.jpg"]
    upkeep.empty(cache)
    assert list(cache.iterdir()) == []
    upkeep.empty(tmp_path / "missing")


def test_a_request_knows_where_it_comes_from() -> None:
    """S4: for limits by address."""
    import asyncio

    seen = []

    async def app(scope, receive, send):
        seen.append(await asyncio.to_thread(visitor_address))

    async def nothing(*_message):
        return {}

    for client in (("1.2.3.4", 5), None):
        asyncio.run(NotesAddress(app)({"type": "http", "client": client}, nothing, nothing))
    assert seen == ["1.2.3.4", ""] and visitor_address() == ""


def test_limits_are_one_frozen_object() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().queued = 1  # type: ignore[misc]


def test_a_visitor_can_delete_everything_of_theirs(start, tmp_path) -> None:
    """S3: by a button: every job, more than one listing of them, and every picture; nobody else's."""
    uploads = Uploads(tmp_path / "uploads")
    service = start(limits=Limits(listed=3), uploads=uploads)
    digest = uploads.keep(Image.new("RGB", (9, 8)), ANNA).digest
    uploads.keep(Image.new("RGB", (9, 8)), BEN)
    for owner in (ANNA, ANNA, ANNA, ANNA, ANNA, BEN):
        service.wait(service.submit(request(owner)), PATIENCE)
    forget_visitor(service, uploads, ANNA)
    assert service.list(ANNA) == [] and len(service.list(BEN)) == 1
    assert not uploads.has(digest, ANNA) and uploads.has(digest, BEN)
