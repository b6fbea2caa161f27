"""A run that is killed again and again ends in the weights of the undisturbed run, bit for bit."""

import json
import os
from pathlib import Path

import pytest
import torch

from robust_model.weights.checkpoint import load_tensors
from tests.forking import COMPILER, Forking

pytestmark = pytest.mark.slow

# Runs what each folder asks for undisturbed in its `a` and disturbed in its `b`, and prints how often each was killed:
# every attempt at a run is a child of its own, killed in earnest with SIGKILL.
SCRIPT = '''
import os, random, signal, sys, time
from pathlib import Path
from robust_model.training.training import Run, TrainConfig

kills, folders = int(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]]


def attempt(config, folder):
    """Start the run in a child; returns its process number and a pipe that brings a byte for every step."""
    steps, says = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            Run(config, folder).run(lambda _: os.write(says, b"."), checkpoint_every_s=0)
            status = 0
        finally:
            os._exit(status)
    os.close(says)
    return child, steps


def finish(child, steps):
    while os.read(steps, 100):
        pass
    os.close(steps)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


for folder in folders:
    config = TrainConfig.model_validate_json((folder / "asked.json").read_text())
    child, steps = attempt(config, folder / "a")
    os.read(steps, 1)
    begin, count = time.monotonic(), 0
    while os.read(steps, 1):
        count += 1
    per_step = (time.monotonic() - begin) / count
    assert finish(child, steps) == 0

    moments = random.Random(5)
    killed = 0
    while killed < kills:
        child, steps = attempt(config, folder / "b")
        for _ in range(moments.randrange(3)):
            os.read(steps, 1)
        time.sleep(moments.uniform(0, 1.5) * per_step)  # into the next step, its checkpoint or the epoch's evaluation
        os.kill(child, signal.SIGKILL)  # it was not waited for: the number is still the child's
        if finish(child, steps) == 0:
            break  # it was faster than the kill
        killed += 1
    print(killed, flush=True)
    assert finish(*attempt(config, folder / "b")) == 0
'''


@pytest.mark.timeout(1600)  # seconds on an idle machine; a busy one must not look like a hang
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_runs_end_in_the_same_weights(forking: Forking, tmp_path: Path) -> None:
    model = {
        "class_names": [f"grating {c}" for c in range(4)],
        "stack": {"resolutions": [32, 16], "max_shift": 1, "noise_low": 0.02, "noise_high": 0.02},
        "widths": [8, 16],
        "blocks": [1, 1],
        "readout_depths": [1, 2],
        "aggregator": "crossmax-median",
    }
    base = {"model": model, "data": "synthetic:56", "epochs": 5, "batch": 16, "holdout": 8, "adversary": "fgsm"}
    start = tmp_path / "joint"
    phases = {
        "joint": {"optimiser": "sgd"},
        "readouts": {"optimiser": "adam", "learning_rate": 0.01, "start_from": str(start / "a")},
    }
    folders = [tmp_path / phase for phase in phases]
    for folder, (phase, changes) in zip(folders, phases.items(), strict=True):
        folder.mkdir()
        (folder / "asked.json").write_text(json.dumps({**base, "phase": phase, **changes}))
    forking.need("robust_model.training.training", COMPILER)
    killed = [int(line) for line in forking.run(SCRIPT, "5", *map(str, folders)).split()]
    assert len(killed) == 2 and min(killed) >= 2
    for folder in folders:
        (calm, said), (rough, again) = (load_tensors(folder / name / "checkpoint.safetensors") for name in "ab")
        assert said == again
        assert calm.keys() == rough.keys()
        assert [name for name, tensor in calm.items() if not torch.equal(tensor, rough[name])] == []
        assert (folder / "a/log.jsonl").read_text() == (folder / "b/log.jsonl").read_text()
        assert not list((folder / "b").glob("*.tmp"))
