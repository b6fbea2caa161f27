"""A run that is killed again and again ends in the weights of the undisturbed run, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from robust_model.weights.checkpoint import load_tensors

REPOSITORY = Path(__file__).resolve().parents[3]

# One process imports once; every attempt at the run is a child of its own, killed in earnest with SIGKILL.
SCRIPT = '''
import os, random, signal, sys, time
from pathlib import Path
from robust_model.training.training import Run, TrainConfig

config = TrainConfig.model_validate_json(Path(sys.argv[1]).read_text())
undisturbed, disturbed, kills = Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])


def attempt(folder):
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


child, steps = attempt(undisturbed)
os.read(steps, 1)
begin, count = time.monotonic(), 0
while os.read(steps, 1):
    count += 1
per_step = (time.monotonic() - begin) / count
assert finish(child, steps) == 0

moments = random.Random(5)
killed = 0
while killed < kills:
    child, steps = attempt(disturbed)
    for _ in range(moments.randrange(3)):
        os.read(steps, 1)
    time.sleep(moments.uniform(0, 1.5) * per_step)  # into the next step, its checkpoint or the epoch's evaluation
    os.kill(child, signal.SIGKILL)  # it was not waited for: the number is still the child's
    if finish(child, steps) == 0:
        break  # it was faster than the kill
    killed += 1
print(killed, flush=True)
assert finish(*attempt(disturbed)) == 0
'''


def train(config: dict[str, object], folder: Path, kills: int) -> int:
    """Run `config` undisturbed in `folder`/a and disturbed in `folder`/b; returns how often it was killed."""
    path = folder / "asked.json"
    path.write_text(json.dumps(config))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(folder / "a"), str(folder / "b"), str(kills)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.timeout(1600)  # seconds on an idle machine; a busy one must not look like a hang
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_runs_end_in_the_same_weights(tmp_path: Path) -> None:
    model = {
        "class_names": [f"grating {c}" for c in range(4)],
        "stack": {"max_shift": 1, "noise_low": 0.02, "noise_high": 0.02},
        "widths": [8, 16],
        "blocks": [1, 1],
        "readout_depths": [1, 2],
        "aggregator": "crossmax-median",
    }
    base = {"model": model, "data": "synthetic:56", "epochs": 5, "batch": 16, "holdout": 8, "adversary": "fgsm"}
    start = tmp_path / "joint"
    for phase, changes in (
        ("joint", {"optimiser": "sgd"}),
        ("readouts", {"optimiser": "adam", "learning_rate": 0.01, "start_from": str(start / "a")}),
    ):
        folder = tmp_path / phase
        folder.mkdir()
        assert train({**base, "phase": phase, **changes}, folder, kills=5) >= 2
        (calm, said), (rough, again) = (load_tensors(folder / name / "checkpoint.safetensors") for name in "ab")
        assert said == again
        assert calm.keys() == rough.keys()
        assert [name for name, tensor in calm.items() if not torch.equal(tensor, rough[name])] == []
        assert (folder / "a/log.jsonl").read_text() == (folder / "b/log.jsonl").read_text()
        assert not list((folder / "b").glob("*.tmp"))
