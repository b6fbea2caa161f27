"""What owners do with their jobs: titles, notes, favourites, deletion that can be undone, a budget, presets."""

import json
from pathlib import Path

import pytest

from app.ui.forgetting import forget_visitor
from app.visitors.uploads import Uploads
from foundation.jobs import JobError, JobStatus, Limits, NotYourJobError, UnknownJobError
from foundation.jobs.retention import UNDO_SECONDS
from foundation.jobs.store.database import Database
from tests.foundation.jobs.puppet import Puppet, change_rows, copy_on_disk, database_away, finish, on_disk, request


def made(start, *names: str, owner: str = "anna", size: int = 1000):
    """A service with an ended job of so many bytes for each name, the oldest first, and their ids."""

    def handler(context):
        (context.dir / "image.png").write_bytes(b"x" * size)
        return {"file": "image.png"}

    service = start(handler, limits=Limits(queued_per_owner=1000))
    jobs = [service.submit(request(name, owner)) for name in names]
    for job in jobs:
        finish(service, job)
    return service, jobs


def test_titles_notes_and_favourites_are_kept(start) -> None:
    service, (job, other) = made(start, "a", "b")
    service.history.change(job, "anna", title="  my \n frog ", note=" for the talk\nnext week ", favourite=True)
    found = service.snapshot(job)
    assert (found.title, found.note, found.favourite) == ("my frog", "for the talk\nnext week", True)
    assert found.result == {"file": "image.png"} and service.snapshot(other).note == ""
    row, copy = on_disk(service, job), copy_on_disk(service, job)
    assert (row["title"], row["note"], row["favourite"]) == ("my frog", "for the talk\nnext week", 1)
    assert (copy["title"], copy["note"], copy["favourite"]) == ("my frog", "for the talk\nnext week", True)
    service.close()
    again = start()
    assert again.history.all("anna") == [again.snapshot(other), again.history.all("anna")[1]]
    assert (again.snapshot(job).title, again.snapshot(job).favourite) == ("my frog", True)


@pytest.mark.parametrize("changes", [{"title": " "}, {"title": "x" * 201}, {"note": "x" * 2001}])
def test_texts_that_will_not_do_are_refused(start, changes) -> None:
    service, (job,) = made(start, "a")
    with pytest.raises(JobError):
        service.history.change(job, "anna", **changes)
    assert on_disk(service, job)["title"] == "job a"


def test_control_characters_go_and_every_writing_stays(start) -> None:
    """What is shown is what the database has; an emoji of several and Persian's joiners are no control characters."""
    family, persian = "\U0001f469\u200d\U0001f467", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    service, (job,) = made(start, "a")
    service.history.change(job, "anna", title=f"a\0\x1b{family}", note=f"\0{persian}\n\tb\x7f\x85")
    found, row = service.snapshot(job), on_disk(service, job)
    assert (found.title, found.note) == (f"a{family}", f"{persian}\n\tb") == (row["title"], row["note"])
    with pytest.raises(JobError, match="title"):
        service.history.change(job, "anna", title="\0")
    service.history.keep_preset("anna", "text", f"{family} {persian}\0", {})
    assert [one.name for one in service.history.presets("anna")] == [f"{family} {persian}"]


def test_a_running_job_can_be_named_and_keeps_it_to_the_end(start) -> None:
    puppet = Puppet(steps=1)
    service = start(puppet)
    job = service.submit(request("a"))
    puppet.wait_step()
    service.history.change(job, "anna", title="mine", favourite=True)
    puppet.step()
    done = finish(service, job)
    assert (done.status, done.title, done.favourite, done.result["file"]) == (
        JobStatus.DONE,
        "mine",
        True,
        "result.txt",
    )
    assert (on_disk(service, job)["title"], on_disk(service, job)["status"]) == ("mine", "done")


def test_a_change_that_cannot_be_kept_is_none(start, monkeypatch) -> None:
    service, (job,) = made(start, "a")
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", database_away)
        for act in (
            lambda: service.history.change(job, "anna", favourite=True),
            lambda: service.history.delete([job], "anna"),
            lambda: service.history.set_budget("anna", 5),
        ):
            with pytest.raises(JobError, match="database cannot be used"):
                act()
    assert not service.snapshot(job).favourite and len(service.list()) == 1


def test_somebody_elses_jobs_are_out_of_reach(start) -> None:
    service, (job,) = made(start, "a")
    history = service.history
    for act in (
        lambda: history.change(job, "bert", title="stolen"),
        lambda: history.delete([job], "bert"),
    ):
        with pytest.raises(NotYourJobError):
            act()
    history.delete([job], "anna")
    assert history.restore([job], "bert") == 0
    history.forget("bert")
    assert history.restore([job], "anna") == 1
    assert history.all("bert") == [] and history.usage("bert").bytes == 0
    assert service.snapshot(job).title == "job a"


def test_what_is_deleted_can_be_had_back_for_a_while(start, clock) -> None:
    service, jobs = made(start, "a", "b", "c")
    folder = Path(service.snapshot(jobs[0]).folder)
    assert service.history.delete(jobs[:2], "anna") == jobs[:2]
    assert [job.id for job in service.list("anna")] == [job.id for job in service.history.all("anna")] == jobs[2:]
    with pytest.raises(UnknownJobError):
        service.snapshot(jobs[0])
    clock.time += UNDO_SECONDS - 1
    service.tidy()
    service.close()
    service = start()  # a new start remembers both
    assert service.history.deleted("anna") == jobs[:2] and service.history.deleted("bert") == []
    assert service.history.restore(jobs[:1], "anna") == 1
    assert [job.id for job in service.list("anna")] == [jobs[2], jobs[0]]
    assert (folder / "image.png").exists() and service.snapshot(jobs[0]).result == {"file": "image.png"}
    clock.time += 2
    assert service.history.deleted("anna") == []
    service.tidy()
    assert service.history.restore(jobs[:2], "anna") == 1 and (folder / "image.png").exists()
    assert not Path(service._store.folder(jobs[1])).exists() and on_disk(service, jobs[2])["deleted"] is None


def test_what_is_still_being_made_is_not_deleted(start) -> None:
    puppet = Puppet(steps=1)
    service = start(puppet)
    first, second = service.submit(request("a")), service.submit(request("b"))
    puppet.wait_step()
    puppet.step()
    finish(service, first)
    with pytest.raises(JobError, match="still being made"):
        service.history.delete([first, second], "anna")
    assert len(service.list("anna")) == 2


def test_delete_everything_takes_what_was_deleted_along(start, tmp_path) -> None:
    service, jobs = made(start, "a", "b")
    service.history.delete(jobs[:1], "anna")
    service.history.set_budget("anna", 10**9)
    service.history.owners.keep_preset("anna", "text", "mine", {}, 0.0)
    forget_visitor(service, Uploads(tmp_path / "uploads"), "anna")
    assert list(service._store.root.iterdir()) == [] and service.history.restore(jobs, "anna") == 0
    service.close()
    change_rows(service, "DELETE FROM alembic_version")
    import sqlite3

    with sqlite3.connect(tmp_path / "studio.db") as connection:
        assert [connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("owners", "jobs", "presets")] == [
            (0,),
            (0,),
            (0,),
        ]
    connection.close()


def test_a_budget_takes_the_oldest_and_never_a_favourite(start, clock) -> None:
    """Of four results the first, a favourite, and the last fit in what these two take: they stay."""
    service, jobs = made(start, "a", "b", "c", "d")
    service.history.change(jobs[0], "anna", favourite=True)
    sizes = {job: sum(file.stat().st_size for file in Path(service.snapshot(job).folder).iterdir()) for job in jobs}
    usage = service.history.usage("anna")
    assert (usage.bytes, usage.favourites, usage.budget) == (sum(sizes.values()), sizes[jobs[0]], None)
    gone = service.history.set_budget("anna", sizes[jobs[0]] + sizes[jobs[3]])
    assert gone == jobs[1:3]
    assert [job.id for job in service.list("anna")] == [jobs[3], jobs[0]]
    assert service.history.restore(gone, "anna") == 2
    service.history.set_budget("anna", None)
    service.tidy()
    assert len(service.list("anna")) == 4
    assert service.history.set_budget("anna", 1) == jobs[1:]
    assert [job.id for job in service.list("anna")] == jobs[:1]


def test_a_budget_is_kept_by_itself(start, tmp_path) -> None:
    service, jobs = made(start, "a", "b")
    service.history.set_budget("anna", service.history.usage("anna").bytes)
    others = finish(service, service.submit(request("o", "bert")))
    new = finish(service, service.submit(request("c")))
    service.tidy()
    assert [job.id for job in service.list("anna")] == [new.id, jobs[1]]
    assert [job.id for job in service.list("bert")] == [others.id]
    service.close()
    assert start().history.usage("anna").budget is not None


def test_beyond_the_number_that_is_kept_favourites_stay(start) -> None:
    service, jobs = made(start, "a", "b", "c")
    service._limits = Limits(jobs_kept_per_owner=2)
    service.history.change(jobs[0], "anna", favourite=True)
    service.tidy()
    assert [job.id for job in service.list("anna")] == [jobs[2], jobs[0]]


def test_presets_are_their_owners(start) -> None:
    owners = start().history.owners
    first = owners.keep_preset("anna", "text", " my  frogs ", {"steps": 3}, 1.0)
    assert owners.keep_preset("anna", "text", "my frogs", {"steps": 4}, 2.0) == first
    owners.keep_preset("anna", "class", "my frogs", {"steps": 5}, 2.0)
    owners.keep_preset("bert", "text", "his", {}, 2.0)
    assert [(one.kind, one.name, one.settings) for one in owners.presets("anna")] == [
        ("class", "my frogs", {"steps": 5}),
        ("text", "my frogs", {"steps": 4}),
    ]
    owners.delete_preset("bert", first)
    assert len(owners.presets("anna")) == 2
    owners.delete_preset("anna", first)
    assert [one.kind for one in owners.presets("anna")] == ["class"]
    with pytest.raises(JobError, match="name"):
        owners.keep_preset("anna", "text", "  ", {}, 0.0)


def test_there_is_an_end_to_presets(start, monkeypatch) -> None:
    monkeypatch.setattr("foundation.jobs.store.owners.PRESETS", 1)
    owners = start().history.owners
    owners.keep_preset("anna", "text", "a", {}, 0.0)
    owners.keep_preset("anna", "text", "a", {"again": True}, 0.0)
    with pytest.raises(JobError, match="delete one first"):
        owners.keep_preset("anna", "text", "b", {}, 0.0)
    assert json.dumps(owners.presets("anna")[0].settings) == '{"again": true}'


def test_presets_say_so_where_the_database_is_away(start, monkeypatch) -> None:
    history = start().history
    history.keep_preset("anna", "text", "mine", {"steps": 1})
    (preset,) = history.presets("anna")
    monkeypatch.setattr(Database, "write", database_away)
    monkeypatch.setattr(Database, "read", database_away)
    for act in (
        lambda: history.presets("anna"),
        lambda: history.keep_preset("anna", "text", "other", {}),
        lambda: history.delete_preset("anna", preset.id),
        lambda: history.usage("anna"),
    ):
        with pytest.raises(JobError, match="database cannot be used"):
            act()
