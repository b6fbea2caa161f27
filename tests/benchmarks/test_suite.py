"""All benchmarks by one command: what is measured, what is written, and what happens where something is missing."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as program
from benchmarks.harness import alternate
from benchmarks.suite import attacks, literal, networks, peers, priors, starts
from benchmarks.suite.measuring import Benchmark, Found, Point, Row, Setting, Side, measure, power
from benchmarks.suite.registry import BENCHMARKS
from foundation.errors import StudioError
from robust_model.networks.crossmax import crossmax
from robust_model.networks.ensemble import SelfEnsemble

QUICK = Setting(quick=True, repeats=1, at_most=0)


def told(figure: float) -> Callable[[], Callable[[], float]]:
    return lambda: lambda: figure


def square(_setting: Setting) -> Iterator[Point]:
    """Ours takes the square of the value, the reference four times that, and a peer is not there."""
    for value in (1.0, 2.0, 4.0):
        yield Point(
            "images",
            value,
            (
                Side("ours", "ours", told(value**2)),
                Side("plain", "reference", told(4 * value**2)),
                Side("nobody's", "peer", told(1), missing="not installed: pip install nobody"),
            ),
        )


def broken(_setting: Setting) -> Iterator[Point]:
    def fails() -> Callable[[], object]:
        raise RuntimeError("it is old\nand so on")

    yield Point(
        "steps", 3, (Side("ours", "ours", told(2.0)), Side("old", "peer", fails), Side("x|y", "floor", told(1)))
    )


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BENCHMARKS, "square", Benchmark("Squares", square, how="tells"))
    monkeypatch.setitem(BENCHMARKS, "broken", Benchmark("Of old", broken, unit="MB", how="once"))


def test_two_benchmarks_as_json_table_and_plots(two: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--only", "broken, square", "--out", str(tmp_path), "--repeats", "2"]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["complete"] and {"torch", "threads", "crossmax-studio", "numpy"} <= set(found["machine"])
    rows = found["results"]["square"]["rows"]
    assert [row["median"] for row in rows] == [1, 4, None, 4, 16, None, 16, 64, None]
    assert [row["of_ours"] for row in rows[:3]] == [1, 4, None] and rows[0]["runs"] == 2
    growth = found["results"]["square"]["growth"]["images"]
    assert growth == {"ours": pytest.approx(2), "plain": pytest.approx(2)}
    table = (tmp_path / "results.md").read_text()
    assert "| 2 | plain (reference) | 16 s | 16 s | 2 | 4 x |" in table
    assert "| 4 | nobody's (peer) | not installed: pip install nobody |  |  |  |" in table
    assert "| 3 | old (peer) | does not run here (RuntimeError: it is old) |  |  |  |" in table
    assert "| 3 | x/y (floor) | 1 MB | 1 MB | 1 | 0.5 x |" in table
    assert "ours 2.00; plain 2.00" in table and "](square-images.svg)" in table
    assert (tmp_path / "square-images.svg").read_text().count("</svg>") == 1
    assert not (tmp_path / "broken-steps.svg").exists()  # one value does not grow
    told = capsys.readouterr()
    assert table.strip() in told.out and "nobody's: not installed: pip install nobody" in told.err


def test_an_interrupt_keeps_what_is_there(two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(setting: Setting) -> Iterator[Point]:
        yield from list(square(setting))[:2]
        raise KeyboardInterrupt

    monkeypatch.setitem(BENCHMARKS, "square", Benchmark("Squares", interrupted, how="tells"))
    assert program.main(["--only", "square,broken", "--out", str(tmp_path)]) == 130
    found = json.loads((tmp_path / "results.json").read_text())
    assert not found["complete"] and list(found["results"]) == ["square"]
    assert len(found["results"]["square"]["rows"]) == 6 and (tmp_path / "square-images.svg").exists()
    assert "was stopped" in (tmp_path / "results.md").read_text()


def test_what_cannot_be_run_is_said_and_the_rest_goes_on(
    two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_setting: Setting) -> Iterator[Point]:
        yield from ()
        raise StudioError("The model is not installed. Run: pip install model")

    monkeypatch.setitem(BENCHMARKS, "square", Benchmark("Squares", refused))
    assert program.main(["--only", "square,broken", "--out", str(tmp_path)]) == 2
    found = json.loads((tmp_path / "results.json").read_text())["results"]
    assert found["square"]["refused"].endswith("pip install model") and len(found["broken"]["rows"]) == 3
    assert "pip install model" in (tmp_path / "results.md").read_text()


def test_list_names_all_and_measures_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["--list", "--out", str(tmp_path / "x")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BENCHMARKS) and not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["prior,nothing", "nothing"])
def test_unknown_names_are_refused_in_words(text: str) -> None:
    with pytest.raises(StudioError, match=r"no benchmark 'nothing': choose from stack, crossmax, .*memory\."):
        program.main(["--only", text])
    with pytest.raises(StudioError, match="No benchmark is named"):
        program.main(["--only", " , "])


def test_a_package_that_is_not_installed_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "installed", lambda _name: "")
    (point,) = list(priors.priors(QUICK))[-1:]
    (row,) = [row for row in measure(point, QUICK) if row.role == "peer"]
    assert row.median is None and row.note == "not installed: pip install imstack==0.1.8"


def test_turns_end_after_the_seconds_but_one_is_measured() -> None:
    order: list[str] = []
    cases = {name: lambda name=name: order.append(name) for name in "ab"}
    assert [len(runs) for runs in alternate(cases, 5, at_most=-1).values()] == [1, 1]
    assert order == ["a", "b"] * 2
    assert [len(runs) for runs in alternate(cases, 5).values()] == [5, 5]


def test_what_the_first_turn_takes_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 101.0, 102.0, 103.0, 104.0])  # asked after the first turn of 100 seconds, then before each
    monkeypatch.setattr("benchmarks.harness.time.perf_counter", lambda: next(now))
    assert [len(runs) for runs in alternate({"a": lambda: 0}, 9, at_most=2, figure=lambda _run: 1.0).values()] == [3]


def test_the_ratio_is_that_within_a_turn() -> None:
    ours = iter([9.0, 1.0, 2.0, 10.0])  # the first turn is not counted
    theirs = iter([0.0, 9.0, 3.0, 8.0, 20.0])  # a package is tried once before
    sides = (Side("a", "ours", lambda: lambda: next(ours)), Side("b", "peer", lambda: lambda: next(theirs)))
    row = measure(Point("x", 1, sides), Setting(repeats=3), "tells")[1]
    assert (row.runs, row.median, row.least, row.greatest, row.of_ours) == (3, 8, 3, 20, 3)


def test_powers_by_hand() -> None:
    assert power({1: 2, 10: 200, 100: 20000}) == pytest.approx(2)
    assert math.isnan(power({3: 1.0})) and math.isnan(power({}))
    found = Found("x", "s", [Row("program", 0, "python", "ours", "ours", median=1.0)])
    assert found.curves() == {}


def test_the_literal_forms_say_the_same() -> None:
    logits = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(literal.crossmax(logits, 3), crossmax(logits, 3))
    model = SelfEnsemble(networks.small(6, (1, 2), quick=True)).eval()
    images = torch.rand(3, 3, 20, 24, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(literal.one_after_another(model, images), model.readouts(images), rtol=1e-4, atol=1e-5)


def test_the_literal_attack_keeps_its_budget_and_climbs() -> None:
    weights = torch.randn(3 * 6 * 8, 4, generator=torch.Generator().manual_seed(0))
    images = torch.rand(3, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2])

    def score(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ weights

    found = literal.pgd(score, images, labels, 0.1, 8)
    assert 0.099 < float((found - images).abs().max()) <= 0.1 + 1e-6 and found.min() >= 0 and found.max() <= 1
    loss = torch.nn.functional.cross_entropy
    assert loss(score(found), labels, reduction="none").gt(loss(score(images), labels, reduction="none")).all()


@pytest.mark.parametrize("name", ["stack", "crossmax", "readouts", "training", "prior"])
def test_a_point_of_each_cheap_benchmark_is_measured(name: str) -> None:
    point = next(BENCHMARKS[name].points(QUICK))
    rows = measure(point, QUICK)
    assert rows[0].role == "ours" and {"reference", "floor"} <= {row.role for row in rows}
    assert all(row.median and row.of_ours for row in rows if not row.note)


def test_a_table_of_attacks_takes_the_steps_that_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every side of the attacks goes through the network as often as there are steps; APGD once more, at its start."""
    passes: list[int] = []

    class Seen(torch.nn.Module):
        class_names = tuple(map(str, range(10)))
        readout_names = ("output",)
        random = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            passes.append(int(x.requires_grad) * len(x))
            return x.mean((2, 3)).repeat(1, 4)[:, :10] * torch.arange(10)

        def readouts(self, x: torch.Tensor, _noise: object = None) -> torch.Tensor:
            return self(x)[:, None]

        def voting(self, logits: torch.Tensor) -> torch.Tensor:
            return logits

        def combine(self, logits: torch.Tensor) -> torch.Tensor:
            return logits[:, 0]

    monkeypatch.setattr(attacks, "classifier", lambda _name, _device: Seen())
    monkeypatch.setattr(attacks, "SIDE", 16)
    point = attacks._attack("images", 2, 2, 3, Setting())
    counted = {}
    for side in point.sides:
        if side.role in ("reference", "floor") or "evaluations" in side.name:
            run = side.make()
            passes.clear()
            run()
            counted[side.name] = sum(passes)
    assert counted == {
        "PGD of evaluations, all images at once": 2 * 4,
        "a plain loop, as published": 2 * 3,
        "the network's forward + backward": 2 * 3,
    }


def test_memory_is_that_of_one_side(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def points(_setting: Setting) -> Iterator[Point]:
        for value in (1, 2):
            yield Point("x", value, (Side("a", "ours", lambda v=value: lambda: ran.append(f"a{v}")),))

    monkeypatch.setitem(BENCHMARKS, "stack", Benchmark("Toy", points))
    assert program.main(["--alone", "stack", "x", "2", "a", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["peak_mb"] > 10 and ran == ["a2"]
    with pytest.raises(StudioError, match="no side 'b' at x = 2"):
        program.main(["--alone", "stack", "x", "2", "b"])


def test_memory_asks_for_sides_that_there_are() -> None:
    """What `memory` names is really an axis of those benchmarks."""
    for name, axes in starts.MEASURED.items():
        there = {point.axis for point in BENCHMARKS[name].points(Setting())}
        assert set(axes) <= there, (name, there)
