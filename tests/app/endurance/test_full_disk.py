"""A studio whose disk is full in the middle of jobs: a small one of its own, in earnest."""

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.jobs.outcome import DISK_FULL, INTERRUPTED
from tests.app.endurance.studio import Witness, integrity, rounds, until_refused
from tests.forking import Forking

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FULL = rounds(6)
MB = 1 << 20
DISK_MB = 64
IN_WORDS = ("disk is full", "of the disk are free")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk in memory, mounted on a folder."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (MB, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_nothing_that_was_finished_is_lost_and_the_queue_goes_on(forking: Forking, disk: Path) -> None:
    """Every other time the studio is killed, too, and started once more, before there is room again."""
    witness, draws, pace = Witness(forking, disk / "data"), random.Random(5), 1.0
    for full in range(FULL):
        service = witness.start()
        with service.stdout:
            lines = [service.stdout.readline()]
            time.sleep(pace * draws.uniform(0.3, 1.0))
            fill(disk)
            if full == 0:
                lines += until_refused(service.stdout)
            time.sleep(pace * draws.uniform(0.3, 1.0))
            if full % 2:
                service.kill()
                while_full = witness.start()
                with while_full.stdout:
                    lines += [*service.stdout, while_full.stdout.readline()]
                    time.sleep(0.5)
                    while_full.kill()
                    lines += while_full.stdout
            (disk / "filler").unlink()
            if not full % 2:
                time.sleep(pace * draws.uniform(0.3, 1.0))
                service.kill()
                lines += service.stdout
        pace = pace if witness.hear(lines) else min(2 * pace, 8.0)
        assert integrity(witness.data) == "ok"
        witness.check()
    refusals = [*witness.refusals]
    assert [refusal for refusal in refusals if not any(words in refusal for words in IN_WORDS)] == []
    last = witness.start(waiting=0)
    with last.stdout:
        witness.hear(last.stdout)
    witness.check()
    assert witness.submitted <= {*witness.ended}
    assert {one.status for one in witness.ended.values()} <= {"done", "interrupted", "failed"}
    assert {one.error for one in witness.ended.values()} <= {None, INTERRUPTED, DISK_FULL}
    assert len(witness.kinds("done")) == 4 and refusals == witness.refusals != []
