"""Records on disk: atomic writes, the lock, and whatever a crash or a bad disk leaves behind."""

import errno
import json
import math
import os
from pathlib import Path

import pytest

from foundation.files.text_files import replace_whole
from foundation.jobs import JobService
from foundation.jobs.store import store as store_module
from foundation.jobs.store.copies import write_copy
from foundation.jobs.store.model import RECORD_VERSION, JobError, JobRecord, JobRequest, JobStatus, as_json
from foundation.jobs.store.store import JobStore
from tests.foundation.jobs.puppet import PATIENCE


def record(name: str = "a", sequence: int = 1, **changes) -> JobRecord:
    fields = {
        "version": RECORD_VERSION,
        "id": name * 32,
        "sequence": sequence,
        "kind": "image",
        "title": "Ein Fröschlein \ud83d",  # half of an emoji, as a cut text may end
        "owner": "anna",
        "device": "cpu",
        "params": {"steps": 3, "nested": [1, None, {"deep": 0.5}]},
        "created": 12.5,
    }
    return JobRecord(**{**fields, **changes})


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path)
    yield store
    store.close()


def disk_full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def keep_without_a_row(store: JobStore, kept: JobRecord) -> None:
    """A job as a version without a database left it."""
    store.folder(kept.id).mkdir()
    write_copy(store.folder(kept.id), kept)


def test_a_record_comes_back_as_it_was(store):
    done = record(status=JobStatus.DONE, result={"files": ["a.png"]}, started=13.0, finished=14.0)
    store.create(record())
    store.save(done, {"loss": [(1, 0.5), (2, 0.25)]})
    (found,) = store.recover().records
    assert found == record(
        title="Ein Fröschlein ?",
        status=JobStatus.DONE,
        result={"files": ["a.png"]},
        started=13.0,
        finished=14.0,
    )
    assert store.read_curves("a" * 32) == {"loss": [(1, 0.5), (2, 0.25)]}


def test_a_record_from_before_units_is_read(store):
    keep_without_a_row(store, record(message="Downloading it: 3 of 10 MB", done=3, total=10))
    path = store.folder("a" * 32) / "job.json"
    fields = json.loads(path.read_text())
    assert fields.pop("unit") == "steps"
    assert (fields.pop("favourite"), fields.pop("note"), fields.pop("deleted")) == (False, "", None)
    path.write_text(json.dumps(fields))
    (found,) = store.recover().records
    assert (found.done, found.total, found.unit) == (3, 10, "steps")


def test_records_come_back_in_the_order_of_submission_not_of_their_names(store):
    for name, sequence in [("a", 3), ("b", 1), ("c", 2)]:
        store.create(record(name, sequence))
    assert [found.id[0] for found in store.recover().records] == ["b", "c", "a"]


def test_one_directory_has_one_service(tmp_path):
    first = JobStore(tmp_path)
    with pytest.raises(JobError, match=r"already uses .*--data-dir"):
        JobStore(tmp_path)
    first.close()
    JobStore(tmp_path).close()


def test_a_directory_that_cannot_be_made_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobError, match="cannot be used"):
        JobStore(tmp_path / "file" / "data")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "job.json"
    replace_whole(path, b"old")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), disk_full)
    with pytest.raises(OSError, match="No space"):
        replace_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["job.json"]


def test_a_job_that_cannot_be_written_leaves_no_folder(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk_full)
        with pytest.raises(OSError, match="No space"):
            store.create(record())
    assert list(store.root.iterdir()) == []


def test_saving_a_removed_job_does_not_bring_it_back(store):
    store.create(record())
    store.remove("a" * 32)
    with pytest.raises(FileNotFoundError):
        store.save(record())
    store.remove("a" * 32)  # twice is no error
    assert list(store.root.iterdir()) == []


GOOD = record()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"id": "' + b"a" * 32 + b'"}',
        b"[" * 100_000,
        json.dumps({**as_json({"id": "b" * 32}), "version": 1}).encode(),
    ],
)
def test_a_corrupt_record_is_set_aside_and_reported_once(store, content):
    keep_without_a_row(store, GOOD)
    store.create(record("b", 2))
    path = store.folder(GOOD.id) / "job.json"
    (path.parent / "image.png").write_bytes(b"kept")
    path.write_bytes(content)
    found = store.recover()
    assert [kept.id for kept in found.records] == ["b" * 32]
    (problem,) = found.problems
    assert GOOD.id in problem and "set aside" in problem
    assert path.with_name("job.json.corrupt").read_bytes() == content
    assert (path.parent / "image.png").read_bytes() == b"kept"
    assert store.recover().problems == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "sleeping"),
        ("sequence", "1"),
        ("params", []),
        ("created", None),
        ("id", "f" * 32),
        ("done", 1.5),
        ("title", 7),
        ("done", 2**70),
    ],
)
def test_a_record_with_a_wrong_field_is_set_aside(store, field, value):
    keep_without_a_row(store, GOOD)
    path = store.folder(GOOD.id) / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    found = store.recover()
    assert found.records == [] and len(found.problems) == 1


def test_a_record_of_a_newer_version_is_left_alone(store):
    store.create(record(version=RECORD_VERSION + 1))
    keep_without_a_row(store, record("b", version=RECORD_VERSION + 1))
    found = store.recover()
    assert found.records == [] and all("newer version" in problem for problem in found.problems)
    assert len(found.problems) == 2 and all((store.folder(name * 32) / "job.json").exists() for name in "ab")


def test_leftovers_are_swept_and_strangers_left_alone(store):
    store.create(GOOD)
    (store.folder(GOOD.id) / ".job.json.x1.tmp").write_text("half")
    for name in (".new-" + "b" * 32, ".trash-" + "c" * 32, "notes", "d" * 32):
        (store.root / name).mkdir()
        (store.root / name / "file").write_text("x")
    found = store.recover()
    assert [kept.id for kept in found.records] == [GOOD.id]
    assert len(found.problems) == 1 and "d" * 32 in found.problems[0]
    assert sorted(path.name for path in store.root.iterdir()) == ["a" * 32, "d" * 32, "notes"]
    assert [path.name for path in store.folder(GOOD.id).iterdir()] == ["job.json"]


@pytest.mark.parametrize("content", [b"{", b'{"loss": [[1]]}', b"[]"])
def test_broken_curves_are_no_curves(store, content):
    store.create(GOOD)
    (store.folder(GOOD.id) / "curves.json").write_bytes(content)
    assert store.read_curves(GOOD.id) == {}


def test_json_values_are_copied_and_others_refused():
    value = {"a": (1, 2.5, math.nan, True, None), "b": {"c": JobStatus.DONE}}
    assert as_json(value) == {"a": [1, 2.5, None, True, None], "b": {"c": "done"}}
    for wrong in ({1: 2}, {"a": Path("x")}, [{"x": object()}], {"x": {1}}):
        with pytest.raises(TypeError):
            as_json(wrong)
    deep: list = []
    deep.append(deep)
    with pytest.raises(TypeError, match="deeper"):
        as_json(deep)


@pytest.mark.parametrize("wrong", [{"kind": ""}, {"owner": ""}, {"device": "x" * 201}, {"owner": "a\ud800"}])
def test_requests_need_a_kind_a_device_and_an_owner(wrong):
    with pytest.raises(JobError, match="printable"):
        JobRequest(**{"kind": "image", "params": {}, **wrong})


@pytest.mark.slow
def test_the_package_needs_neither_torch_nor_gradio():
    import subprocess
    import sys

    code = "import sys, foundation.jobs; print(sorted({'torch', 'gradio', 'PIL', 'numpy'} & set(sys.modules)))"
    root = Path(store_module.__file__).parents[3]
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_records_on_disk_are_plain_json_for_other_tools(tmp_path):
    with JobService(tmp_path, {"work": lambda context: {"name": context.params["name"]}}) as service:
        job = service.submit(JobRequest("work", {"name": "x"}, owner="anna", title="Frösche"))
        service.wait(job, PATIENCE)
        saved = json.loads((tmp_path / "jobs" / job / "job.json").read_text())
    assert (saved["title"], saved["status"], saved["result"]) == ("Frösche", "done", {"name": "x"})
