"""Workers of a real Ray cluster on this machine, that are killed."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from foundation.cluster.cluster import Cluster
from foundation.cluster.rays import RayBackend, room_of
from foundation.errors import StudioError
from foundation.progress import Progress
from robust_model.attacks import PgdConfig
from robust_model.evaluation.record.config import EvalConfig
from tests.robust_model.evaluated import EPS, Known, evaluate_model, images, timeless

MEAN = PgdConfig(source="mean", eps=EPS, steps=4, restarts=2)
DIRECT = PgdConfig(source="defence", eps=EPS, steps=6, restarts=1)
CONFIG = EvalConfig(model="linear", data="hand-made", count=0, eps=EPS, attacks=(MEAN, DIRECT), batch=1, samples=2)
DEATHS = 10


class Slow(Known):
    """Takes its time, so that it is killed in the middle."""

    def readouts(self, pixels: Any, *rest: Any) -> Any:
        time.sleep(0.02)
        return super().readouts(pixels, *rest)


def asked_to_end() -> bytes:
    """What of this process hears SIGTERM, as the C library has it."""
    found = ctypes.create_string_buffer(1024)
    assert ctypes.CDLL(None).sigaction(signal.SIGTERM, None, found) == 0
    return found.raw[: ctypes.sizeof(ctypes.c_void_p)]


@pytest.fixture(scope="module")
def backend() -> Iterator[RayBackend]:
    before = asked_to_end()
    backend = RayBackend("auto", device="cpu", threads=1, workers=2)
    assert asked_to_end() == before, "Ray would abort the program three seconds later"
    yield backend
    backend.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_killed_at_random_ten_times_change_nothing(
    backend: RayBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foundation.cluster.cluster.MOST_DEATHS", DEATHS + 1)  # chance may take all at one part
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has
    try:
        here = timeless(evaluate_model(CONFIG, Slow(), tmp_path / "here", data=images()))
        rng, runs = random.Random(), 0
        killed: set[int] = set()
        cluster = Cluster(backend)

        def kill(_now: Progress) -> None:
            busy = [desk for desk in cluster.desks if desk.part is not None and desk.process not in killed]
            if busy and len(killed) < DEATHS and rng.random() < 0.3:
                chosen = rng.choice(busy)
                killed.add(chosen.process)
                os.kill(chosen.process, signal.SIGKILL)

        while len(killed) < DEATHS:
            folder = tmp_path / str(runs)
            report = evaluate_model(CONFIG, Slow(), folder, data=images(), on_progress=kill, cluster=cluster)
            assert timeless(report) == here
            runs += 1
        assert cluster.lost >= DEATHS - 2  # one that had just ended its part is not missed
    finally:
        torch.set_num_threads(threads)


UNPACK = """
import sys
from ray import cloudpickle
with open(sys.argv[1], "rb") as file:
    shared = cloudpickle.load(file)
print(type(shared.content).__name__, "torchvision" in sys.modules)
"""


@pytest.mark.slow
def test_what_is_sent_can_be_unpacked_by_who_has_imported_nothing_of_ours(tmp_path: Path) -> None:
    from ray import cloudpickle

    from robust_model.zoo.catalogue import open_catalogue

    sent: list[Any] = []
    backend = object.__new__(RayBackend)
    backend._ray = SimpleNamespace(put=sent.append)
    model = open_catalogue().load("lite0", "cpu")
    backend.share(model)
    (tmp_path / "sent").write_bytes(cloudpickle.dumps(sent[0]))
    words = [sys.executable, "-c", UNPACK, str(tmp_path / "sent")]
    said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (said.returncode, said.stdout) == (0, f"{type(model).__name__} True\n"), said.stderr


def test_a_cluster_that_is_gone_is_a_sentence_before_ray_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    backend = object.__new__(RayBackend)
    backend._watched, backend._looked, backend._silent_since = address, 0.0, None
    backend.wait([], 0.0)  # it may come back, however long ago it was asked before
    for name in ("LOOK_SECONDS", "GONE_SECONDS"):
        monkeypatch.setattr(f"foundation.cluster.rays.{name}", 0.01)
    time.sleep(0.1)
    for asking in (lambda: backend.wait([], 0.0), backend.hire):
        with pytest.raises(StudioError, match="cluster is gone"):
            asking()


def test_ray_without_a_connection_is_the_same_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    backend = object.__new__(RayBackend)
    backend._ray = ray
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def put(_value: object) -> None:
        raise Exception("Ray Client is not connected. Please connect by calling `ray.init`.")

    monkeypatch.setattr(ray, "put", put)
    with pytest.raises(StudioError, match="cluster is gone"):
        backend.share(1)


def test_what_a_cluster_has_room_for() -> None:
    cpus, gpus = {"CPU": 8.0}, {"CPU": 16.0, "GPU": 4.0}
    assert room_of(cpus, "auto", 1) == ("cpu", 8)
    assert room_of(cpus, "auto", 3) == ("cpu", 2)
    assert room_of(gpus, "auto", 1) == ("cuda", 4)
    assert room_of(gpus, "cuda", 8) == ("cuda", 2)
    assert room_of(gpus, "cpu", 1) == ("cpu", 16)
    with pytest.raises(StudioError, match="no GPU"):
        room_of(cpus, "cuda", 1)
    with pytest.raises(StudioError, match="8 CPU cores, not 9"):
        room_of(cpus, "cpu", 9)
