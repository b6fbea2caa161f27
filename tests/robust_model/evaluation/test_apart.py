"""An evaluation whose units are done by workers of a cluster: the same report, whatever becomes of them."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.cluster.cluster import MOST_DEATHS, Cluster
from foundation.progress import Progress
from robust_model.attacks import PgdConfig
from robust_model.evaluation.record.config import EvalConfig
from robust_model.weights.checkpoint import load_tensors
from tests.robust_model.evaluated import EPS, Known, evaluate_model, images, timeless
from tests.toy_cluster import ThreadBackend

MEAN = PgdConfig(source="mean", eps=EPS, steps=4, restarts=2)
ON = PgdConfig(source="defence", loss="margin", eps=EPS, steps=4, restarts=1, continues=True)
DIRECT = PgdConfig(source="defence", eps=EPS, steps=6, restarts=1)
CONFIG = EvalConfig(model="linear", data="hand-made", count=0, eps=EPS, attacks=(MEAN, ON, DIRECT), batch=2, samples=2)


def evaluate(
    folder: Path | None, backend: ThreadBackend | None = None, config=CONFIG, **options: Any
) -> dict[str, Any]:
    if backend is None:
        return evaluate_model(config, Known(), folder, data=images(), **options)
    with Cluster(backend) as cluster:
        return evaluate_model(config, Known(), folder, data=images(), cluster=cluster, **options)


def kept(folder: Path) -> dict[str, Any]:
    """What an evaluation leaves beside its report: tensors bit for bit, and pictures."""
    tensors = {}
    for path in sorted([*folder.glob("journal/*"), folder / "adversarial.safetensors"]):
        found, facts = load_tensors(path)
        facts = {name: value for name, value in facts.items() if name != "seconds"}
        tensors[path.name] = {name: tensor.numpy().tobytes() for name, tensor in found.items()}, facts
    return {"tensors": tensors, "pictures": {path.name: path.read_bytes() for path in folder.glob("samples/*")}}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"cascade": True}, {"sweep": 2, "batch": 4}, {"samples": 0}])
def test_the_report_and_all_that_is_kept_are_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = CONFIG.model_copy(update=changes)
    here = evaluate(tmp_path / "here", config=config)
    apart = evaluate(tmp_path / "apart", ThreadBackend(3), config)
    assert timeless(apart) == timeless(here)
    assert timeless(json.loads((tmp_path / "apart" / "report.json").read_text())) == timeless(here)
    assert kept(tmp_path / "apart") == kept(tmp_path / "here")
    assert timeless(evaluate(None, ThreadBackend(2), config)) == {**timeless(here), "samples": []}


@pytest.mark.slow
def test_workers_that_die_change_nothing(tmp_path: Path) -> None:
    here = timeless(evaluate(tmp_path / "here"))
    died = 0
    for seed in range(8):
        backend, rng = ThreadBackend(3), random.Random(seed)

        def kill(_now: Progress, backend=backend, rng=rng) -> None:
            nonlocal died
            busy = [handle for handle in backend.alive if handle.begun]
            gone = len(backend.hired) - len(backend.alive)
            if busy and gone < MOST_DEATHS - 1 and rng.random() < 0.1:
                rng.choice(busy).dead = True
                died += 1

        folder = tmp_path / str(seed)
        assert timeless(evaluate(folder, backend, on_progress=kill)) == here
        assert kept(folder) == kept(tmp_path / "here")
    assert died >= 10


@pytest.mark.slow
def test_stopped_at_any_step_it_goes_on_with_a_cluster_or_without(tmp_path: Path) -> None:
    whole = timeless(evaluate(tmp_path / "whole"))
    stops = 0
    for turn in range(200):
        asked, backend = 0, ThreadBackend(2) if turn % 3 else None
        # A cluster's questions come with the clock, so that any number of them may be the whole evaluation.
        allowed = turn // 3 if backend else 3 + turn

        def stop(allowed: int = allowed) -> bool:
            nonlocal asked
            asked += 1
            return asked > allowed

        report = evaluate(tmp_path / "parts", backend, should_stop=stop)
        if report["complete"]:
            break
        stops += 1
    else:
        pytest.fail("it never ended")
    assert stops >= 3
    assert timeless(report) == whole
    assert kept(tmp_path / "parts") == kept(tmp_path / "whole")


@pytest.mark.slow
def test_progress_rises_to_its_end_and_says_what_is_done(tmp_path: Path) -> None:
    told: list[Progress] = []
    evaluate(tmp_path, ThreadBackend(2), CONFIG.model_copy(update={"sweep": 2}), on_progress=told.append)
    done = [now.done for now in told]
    assert done == sorted(done)
    assert told[-1].done == told[-1].total
    assert any("images still stand" in now.message for now in told)
    assert any("parts of the attacks done" in now.message for now in told)


def test_random_numbers_of_this_process_are_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    evaluate(None, ThreadBackend(1), CONFIG.model_copy(update={"attacks": (DIRECT,)}))
    assert torch.equal(torch.random.get_rng_state(), before)
