"""The room that is kept on the disk for the ends of jobs."""

import errno
from pathlib import Path

import pytest

from foundation.jobs import JobService, JobStatus
from foundation.jobs.outcome import DISK_FULL
from foundation.jobs.store import reserve as reserves
from foundation.jobs.store.reserve import BYTES, NAME, Reserve
from foundation.jobs.store.store import JobStore
from tests.foundation.jobs.puppet import Puppet, disk_full, finish, on_disk, request


def test_it_takes_its_room_and_gives_it_up(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "file", 10_000)
    for _ in range(2):
        reserve.hold()
        assert (tmp_path / "file").stat().st_blocks * 512 >= 10_000
        assert reserve.give_up() and not reserve.give_up()
        assert list(tmp_path.iterdir()) == []


def test_without_room_there_is_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"of a smaller one")
    monkeypatch.setattr(reserves, "allocate", disk_full)
    with pytest.raises(OSError, match="No space") as refused:
        Reserve(tmp_path / "file", 10_000).hold()
    assert refused.value.errno == errno.ENOSPC and list(tmp_path.iterdir()) == []


def test_the_end_of_a_job_is_written_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill right after it would lose nothing. What waits is not begun, for want of room for its own end."""
    save, puppet, ran = JobStore.save, Puppet(steps=1), []

    def save_in_reserve(self, record, curves=None):
        if (tmp_path / NAME).exists():
            disk_full()
        save(self, record, curves)

    def handler(context):
        ran.append(context.params["name"])
        return {}

    with JobService(tmp_path, {"block": puppet, "work": handler}) as service:
        assert (tmp_path / NAME).stat().st_size == BYTES
        ends, waits = service.submit(request(kind="block")), service.submit(request("waits"))
        puppet.wait_step()
        with monkeypatch.context() as full:
            full.setattr(JobStore, "save", save_in_reserve)
            full.setattr(reserves, "allocate", disk_full)
            puppet.release()
            done = finish(service, ends)
            assert (done.status, "make room" in done.message) == (JobStatus.DONE, False)
            assert on_disk(service, ends)["status"] == "done"
            failed = finish(service, waits)
            assert (failed.status, failed.error, ran) == (JobStatus.FAILED, DISK_FULL, [])
            assert on_disk(service, waits)["status"] == "failed"
        assert finish(service, service.submit(request("later"))).status is JobStatus.DONE
        assert ran == ["later"] and (tmp_path / NAME).stat().st_size == BYTES


def test_a_data_folder_in_which_nothing_can_be_reserved_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a disk is not full, but knows no such files."""

    def unknown(*_arguments: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(reserves, "allocate", unknown)
    with JobService(tmp_path, {"work": lambda context: {}}) as service:
        assert finish(service, service.submit(request())).status is JobStatus.DONE
