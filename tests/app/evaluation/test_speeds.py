"""How long passes take: a busy moment is forgotten, a slower machine believed, and asking twice costs nothing."""

import json
from types import SimpleNamespace

import pytest

from app.evaluation import speeds
from app.evaluation.speeds import FRESH_SECONDS, RECENT, Speeds
from robust_model.evaluation import cost
from robust_model.evaluation.cost import MEASURED

MODEL = SimpleNamespace(config=SimpleNamespace(image_size=4), class_names=("a", "b"))


class Machine:
    """A machine whose passes take what the test says, with a clock."""

    def __init__(self) -> None:
        self.now, self.pair, self.batches = 1000.0, (0.001, 0.002), list[int]()

    def __call__(self, model, data, batch):
        assert model is MODEL and data.images.shape == (batch, 3, 4, 4)
        self.batches.append(batch)
        return self.pair

    def later(self) -> None:
        self.now += FRESH_SECONDS + 1


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(cost, "measure", machine)
    return machine


def speeds_at(tmp_path, machine):
    return Speeds(tmp_path / "speeds.json", clock=lambda: machine.now)


def test_what_is_fresh_is_not_measured_again(tmp_path, machine):
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cpu") == (0.001, 0.002)
    machine.pair = (9.0, 9.0)
    machine.now += FRESH_SECONDS - 1
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cpu") == (0.001, 0.002)
    assert machine.batches == [MEASURED]
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cuda") == (9.0, 9.0), "another device"


def test_a_measurement_on_a_busy_machine_is_forgotten_when_it_is_idle(tmp_path, machine):
    machine.pair = (0.5, 0.7)
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cpu") == (0.5, 0.7)
    machine.later()
    machine.pair = (0.001, 0.002)
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cpu") == (0.001, 0.002)
    machine.later()
    machine.pair = (0.0009, 0.4)  # busy again, for a part of it
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cpu") == (0.0009, 0.002)


def test_a_machine_that_has_become_slower_is_believed_at_last(tmp_path, machine):
    known, seen = speeds_at(tmp_path, machine), []
    known.of("m", MODEL, "cpu")
    machine.pair = (0.01, 0.02)
    for _ in range(RECENT):
        machine.later()
        seen.append(known.of("m", MODEL, "cpu"))
    assert seen == [(0.001, 0.002)] * (RECENT - 1) + [(0.01, 0.02)]
    assert len(json.loads((tmp_path / "speeds.json").read_text())["cpu m"]) == RECENT


def test_measuring_a_slow_model_again_takes_few_images(tmp_path, machine):
    machine.pair = (0.02, 0.05)
    known = speeds_at(tmp_path, machine)
    known.of("m", MODEL, "cpu")
    machine.later()
    known.of("m", MODEL, "cpu")
    machine.pair = (9.0, 9.0)
    known.of("large", MODEL, "cpu")
    machine.later()
    known.of("large", MODEL, "cpu")
    # 8 passes of one image at 0.05 s are 0.4 s; of the other they are more than may be spent on all.
    assert machine.batches == [MEASURED, 5, MEASURED, 1]


def test_a_clock_that_was_set_back_is_no_reason_to_believe_for_ever(tmp_path, machine):
    speeds_at(tmp_path, machine).of("m", MODEL, "cpu")
    machine.now -= 10 * FRESH_SECONDS
    speeds_at(tmp_path, machine).of("m", MODEL, "cpu")
    assert len(machine.batches) == 2


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"cpu m": [0.5, 0.7]}', '{"cpu m": []}', '{"cpu m": [["x", 1, 2]]}', '{"cpu m": [[1, 2]]}']
)
def test_a_damaged_file_or_an_older_one_starts_anew(tmp_path, machine, content):
    (tmp_path / "speeds.json").write_text(content)
    assert speeds_at(tmp_path, machine).of("m", MODEL, "cpu") == (0.001, 0.002)


def test_the_model_that_was_measured_longest_ago_leaves(tmp_path, machine, monkeypatch):
    monkeypatch.setattr(speeds, "MOST_KEPT", 2)
    known = speeds_at(tmp_path, machine)
    for name in ("one", "two"):
        known.of(name, MODEL, "cpu")
    machine.later()
    for name in ("one", "three"):
        known.of(name, MODEL, "cpu")
    assert list(json.loads((tmp_path / "speeds.json").read_text())) == ["cpu one", "cpu three"]
