"""Several processes train as one would: two of them, on the CPU, against one; and BatchNorm over all of them."""

import json
import os
import socket
from pathlib import Path

import pytest
import torch

from foundation.errors import StudioError
from robust_model.training.distributed import World, current, processes
from robust_model.weights.checkpoint import load_tensors
from tests.forking import COMPILER, Forking

MODEL = {
    "class_names": [f"grating {c}" for c in range(4)],
    "stack": {"resolutions": [32, 16], "max_shift": 1, "noise_low": 0.05, "noise_high": 0.05},
    "widths": [8, 16],
    "blocks": [1, 1],
    "readout_depths": [1, 2],
}
CONFIG = {
    "model": MODEL,
    "data": "synthetic:72",
    "epochs": 2,
    "batch": 16,
    "holdout": 8,
    "learning_rate": 0.02,
    "adversary": "fgsm",
    "eps": 2 / 255,
    "checkpointing": True,
}

# Each pair of workers is forked, and meets as torchrun's would.
SCRIPT = """
import json, os, sys
from pathlib import Path
from robust_model.training.distributed import processes
from robust_model.training.training import Run, TrainConfig

root, ports = Path(sys.argv[1]), sys.argv[2:]
config = TrainConfig.model_validate_json((root / "asked.json").read_text())


def together(folder, port, stop=-1):
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                names = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK")
                os.environ |= dict(zip(names, ("127.0.0.1", port, "2", str(rank), str(rank))))
                with processes("cpu") as device:
                    run = Run(config, folder, device=device)
                    # only the second process is told to stop: both must
                    run.run(should_stop=lambda: rank == 1 and run.step == stop)
                    (root / f"{folder.name}-{rank}.json").write_text(json.dumps([run.step, run.world.size]))
                    if stop < 0:
                        state = run.model.state_dict()
                        (root / f"sum-{rank}").write_text(str([float(t.double().sum()) for t in state.values()]))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]


together(root / "whole", ports[0])
together(root / "halved", ports[1], stop=3)
together(root / "halved", ports[2])
Run(config, root / "alone").run()
"""


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    numbers = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return numbers


@pytest.fixture(scope="module")
def trained(forking: Forking, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run by one process ("alone"), by two ("whole"), and by two that were stopped on the way ("halved")."""
    root = tmp_path_factory.mktemp("distributed")
    (root / "asked.json").write_text(json.dumps(CONFIG))
    forking.need("robust_model.training.training", COMPILER)
    forking.run(SCRIPT, str(root), *free_ports(3))
    return root


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.slow
@needs_fork
def test_two_processes_train_as_one_does(trained: Path) -> None:
    (one, said), (two, also) = (load_tensors(trained / n / "checkpoint.safetensors") for n in ("alone", "whole"))
    assert said["step"] == also["step"] == 8 and one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-4, rtol=1e-3, msg=name)
    assert (trained / "sum-0").read_text() == (trained / "sum-1").read_text()  # both hold the same weights
    lines = [(trained / name / "log.jsonl").read_text().splitlines() for name in ("alone", "whole")]
    for mine, theirs in zip(*map(list, lines), strict=True):
        assert json.loads(mine)["loss"] == pytest.approx(json.loads(theirs)["loss"], rel=1e-3)


@pytest.mark.slow
@needs_fork
def test_they_stop_together_and_resume_exactly(trained: Path) -> None:
    whole, halved = (load_tensors(trained / name / "checkpoint.safetensors")[0] for name in ("whole", "halved"))
    assert [name for name, tensor in whole.items() if not torch.equal(tensor, halved[name])] == []
    assert (trained / "whole" / "log.jsonl").read_text() == (trained / "halved" / "log.jsonl").read_text()
    assert [json.loads((trained / f"whole-{rank}.json").read_text()) for rank in (0, 1)] == [[8, 2], [8, 2]]


def test_parts_of_a_batch() -> None:
    assert [World(rank, 3).part(12) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    with pytest.raises(StudioError, match="batch of 16 can't be divided among 3"):
        World(0, 3).part(16)


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes("cuda") as device:
        assert device == "cuda" and current() == World()
    assert World().any(True, torch.device("cpu")) and float(World().mean(torch.tensor(2.0))) == 2


def test_processes_that_cannot_meet_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StudioError, match="torchrun --nproc-per-node"), processes("cpu"):
        pass
