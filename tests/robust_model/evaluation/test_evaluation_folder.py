"""What an evaluation keeps in its folder: it goes on after a stop or a kill, and from earlier results."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from foundation.progress import Progress
from robust_model.attacks import ApgdConfig, PgdConfig
from robust_model.data.datasets import to_float
from robust_model.evaluation.plan import extend
from robust_model.evaluation.record.config import EvalConfig
from robust_model.weights.checkpoint import load_tensors
from tests.forking import Forking
from tests.robust_model.evaluated import EPS, Known, evaluate_model, images, timeless

MEAN = PgdConfig(source="mean", eps=EPS, steps=4, restarts=2)
ON = PgdConfig(source="defence", loss="margin", eps=EPS, steps=4, restarts=1, continues=True)
DIRECT = PgdConfig(source="defence", eps=EPS, steps=6, restarts=1)
CONFIG = EvalConfig(model="linear", data="hand-made", count=0, eps=EPS, attacks=(MEAN, ON, DIRECT), batch=2, samples=1)


def changed(**changes: Any) -> EvalConfig:
    return EvalConfig(**{**dict(CONFIG), **changes})


def evaluate(config: EvalConfig, folder: Path | None, **options: Any) -> dict[str, Any]:
    return evaluate_model(config, Known(), folder, data=images(), **options)


def stopping_after(steps: int) -> Any:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > steps

    return stop


@pytest.mark.slow
@pytest.mark.parametrize("cascade", [False, True])
def test_stopped_at_any_step_it_goes_on_to_the_same_report(tmp_path: Path, cascade: bool) -> None:
    config = changed(cascade=cascade)
    whole = timeless(evaluate(config, tmp_path / "whole"))
    kept = load_tensors(tmp_path / "whole" / "adversarial.safetensors")
    stops = 0
    while True:
        report = evaluate(config, tmp_path / "parts", should_stop=stopping_after(7 + stops))
        if report["complete"]:
            break
        stops += 1
    assert stops >= 5
    assert timeless(report) == whole
    assert timeless(json.loads((tmp_path / "parts" / "report.json").read_text())) == whole
    tensors, facts = load_tensors(tmp_path / "parts" / "adversarial.safetensors")
    assert facts == kept[1] and all(torch.equal(tensors[name], kept[0][name]) for name in kept[0])
    # A run over finished work changes nothing, and neither does having no folder (but for the pictures).
    assert timeless(evaluate(config, tmp_path / "parts")) == whole
    assert timeless(evaluate(config, None)) == {**whole, "samples": []}
    assert not list((tmp_path / "parts" / "journal").glob("last-*"))


@pytest.mark.slow
def test_curves_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    config = changed(attacks=(DIRECT,), sweep=2, eps=EPS)
    whole = timeless(evaluate(config, tmp_path / "whole"))
    steps, stops = 40, 0
    while not (report := evaluate(config, tmp_path / "parts", should_stop=stopping_after(steps)))["complete"]:
        assert "convergence" not in report
        steps, stops = 2 * steps, stops + 1
    assert stops and timeless(report) == whole and whole["sweep"]["n"] == 2


def test_adversarial_images_are_kept_one_for_each_broken_image(tmp_path: Path) -> None:
    report = evaluate(CONFIG, tmp_path)
    tensors, facts = load_tensors(tmp_path / "adversarial.safetensors")
    broken = [i for i in range(6) if report["per_image"]["clean"][i] and not _stands(report, i)]
    assert sorted(tensors["indices"].tolist()) == broken == [2, 4, 5]
    clean = to_float(images().images)[tensors["indices"]]
    assert (tensors["images"] - clean).abs().max() <= EPS + 1e-6
    assert Known().readouts(tensors["images"])[:, -1].argmax(1).tolist() == [0, 0, 0]
    for image, number in zip(tensors["indices"].tolist(), tensors["attack"].tolist(), strict=True):
        standing = [report["per_image"]["standing"][name][image] for name in facts["attacks"]]
        assert standing.index(False) == number, "it is the first attack's that broke it"


def _stands(report: dict[str, Any], image: int) -> bool:
    return all(standing[image] for standing in report["per_image"]["standing"].values())


@pytest.mark.slow
def test_some_adversarial_images_are_kept_as_pictures(tmp_path: Path) -> None:
    report = evaluate(changed(samples=2), tmp_path)
    shown = [s for s in report["samples"] if s["attack"] == "mean/ce"]
    assert len(shown) == 2 and len(report["samples"]) == 6
    for sample in report["samples"]:
        clean, attacked = (to_tensor(load_image_of(tmp_path / sample[name])) for name in ("clean", "adversarial"))
        assert torch.equal(clean[0], to_float(images().images)[sample["index"]])
        distance = float((attacked - clean).abs().max())
        assert 0 < distance <= EPS + 1e-6 and distance == pytest.approx(sample["distance"])
        assert sample["label"] == "yes" and sample["before"] == {"shallow": "yes", "deep": "yes", "defence": "yes"}
        said = Known().readouts(attacked)[:, -1].argmax(1)
        assert sample["after"]["defence"] == ("no", "yes")[int(said)] == "no"
    assert evaluate(changed(samples=0), tmp_path / "none")["samples"] == []


def load_image_of(path: Path) -> Any:
    from foundation.images.files import LoadLimits

    return load_image(path, limits=LoadLimits(min_side=1))


@pytest.mark.slow
def test_more_attacks_go_on_from_what_is_broken_already(tmp_path: Path) -> None:
    few = evaluate(changed(attacks=(DIRECT,)), tmp_path)
    seen = 0

    def count(progress: Progress) -> None:
        nonlocal seen
        seen += "defence/ce:" in progress.message and "still stand" in progress.message

    more = evaluate(changed(attacks=(MEAN, ON, DIRECT)), tmp_path, on_progress=count)
    assert seen == 0, "what was done is not done again"
    assert [a["name"] for a in more["attacks"]] == ["defence/ce", "mean/ce", "defence/margin (continued)"]
    assert timeless(more["attacks"][0]) == timeless(few["attacks"][0])
    assert [a["cumulative"] for a in more["attacks"]] == [False, True, True]
    assert [a["attacked"] for a in more["attacks"]] == [5, 2, 2]
    assert more["worst_case"]["correct"] == 2
    # And so they do if they are stopped on the way.
    parts = tmp_path / "parts"
    evaluate(changed(attacks=(DIRECT,)), parts)
    steps = 2
    while not (report := evaluate(CONFIG, parts, should_stop=stopping_after(steps)))["complete"]:
        steps += 3
    assert timeless(report) == timeless(more)


def test_a_folder_of_another_evaluation_is_refused(tmp_path: Path) -> None:
    evaluate(CONFIG, tmp_path)
    for changes, name in (({"seed": 1}, "seed"), ({"batch": 3}, "batch"), ({"count": 5}, "data")):
        with pytest.raises(StudioError, match=f"other values of: .*{name}"):
            evaluate(changed(**changes), tmp_path)
    with pytest.raises(StudioError, match="other values of: model"):
        evaluate_model(CONFIG, Known(masked=True).double(), tmp_path, data=images())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(StudioError, match="no evaluation's configuration"):
        evaluate(CONFIG, tmp_path)


@pytest.mark.slow
def test_a_partial_report_can_be_read_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robust_model.evaluation.engine.REPORT_SECONDS", 0.0)
    found = []

    def read(progress: Progress) -> None:
        if (tmp_path / "report.json").exists():
            found.append((progress, json.loads((tmp_path / "report.json").read_text())))

    final = evaluate(CONFIG, tmp_path, on_progress=read)
    assert len(found) > 20
    counts = []
    for (now, report), (before, _earlier) in zip(found[1:], found, strict=False):
        assert not report["complete"] and report["progress"]["total"] == now.total
        assert report["progress"]["done"] == before.done
        counts.append(report["worst_case"]["n"] if report["worst_case"] else 0)
    assert counts == sorted(counts) and 0 < counts[len(counts) // 2] < 6
    assert json.loads((tmp_path / "report.json").read_text()) == final and "progress" not in final


def test_plans_grow_by_what_they_lack() -> None:
    first = extend((), (MEAN, ON, DIRECT), cascade=False)
    assert [p.name for p in first] == ["mean/ce", "defence/margin (continued)", "defence/ce"]
    assert extend(first, (DIRECT, MEAN), cascade=False) == first, "nothing new, and the order stays"
    stronger = MEAN.model_copy(update={"steps": 9})
    more = extend(first, (stronger, ON, ApgdConfig(eps=EPS), DIRECT), cascade=False)
    assert more[:3] == first and all(p.cumulative for p in more[3:])
    names = [p.name for p in more]
    assert len(set(names)) == len(names) == 6 and names[3] == "mean/ce #2"
    assert more[4].continues, "an attack that continues another comes with it"
    assert [p.cumulative for p in extend((), (MEAN, DIRECT), cascade=True)] == [False, True]


SCRIPT = '''
import os, random, signal, sys, time
from pathlib import Path

import torch

from robust_model.attacks import SquareConfig
from robust_model.data.datasets import LabelledImages, synthetic
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.engine import attacks_of, evaluate_model
from robust_model.networks.stack import StackConfig

torch.set_num_threads(1)
stack = StackConfig(resolutions=(32, 16), max_shift=1, noise_low=0.1, noise_high=0.1)
names = tuple(f"grating {c}" for c in range(4))
model = SelfEnsemble(
    ModelConfig(class_names=names, stack=stack, widths=(4, 8), blocks=(1, 1), readout_depths=(1,), aggregator="mean",
                inference_noise="fresh")
).eval().requires_grad_(False)
pixels = synthetic("test", 4).images
with torch.no_grad():
    labels = model.with_noise("off")(pixels.float() / 255).argmax(1)
data = LabelledImages(pixels, labels, names, "own answers")
config = EvalConfig(model="m", data="d", count=0, suites=("adaptive",), steps=2, restarts=1, eot=2, draws=2, batch=2,
                    samples=1, sweep=0)
fewer = {"queries": 12}  # of the suite's Square, whose hundreds would be nearly all of the run
attacks = [a.model_copy(update=fewer if isinstance(a, SquareConfig) else {}) for a in attacks_of(model, config)]
assert any(isinstance(a, SquareConfig) for a in attacks)
config = config.model_copy(update={"attacks": tuple(attacks)})


def attempt(folder):
    """Start the evaluation in a child; returns its process number and a pipe that brings a byte at every step."""
    steps, says = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            evaluate_model(config, model, Path(folder), data=data, on_progress=lambda _: os.write(says, b"."))
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


child, steps = attempt(sys.argv[1])
os.read(steps, 1)
begin, count = time.monotonic(), 0
while os.read(steps, 1):
    count += 1
per_step = (time.monotonic() - begin) / count
assert finish(child, steps) == 0

moments = random.Random(3)
killed, rounds = 0, 1
while killed < int(sys.argv[3]):
    child, steps = attempt(f"{sys.argv[2]}-{rounds}")
    for _ in range(moments.randrange(count // 5)):  # all over the run
        os.read(steps, 1)
    time.sleep(moments.uniform(0, 1.5) * per_step)
    os.kill(child, signal.SIGKILL)  # it was not waited for: the number is still the child's
    if finish(child, steps) == 0:
        rounds += 1  # it was faster than the kill, and is done: the next one begins afresh
    else:
        killed += 1
assert finish(*attempt(f"{sys.argv[2]}-{rounds}")) == 0
print(rounds, flush=True)
'''


@pytest.mark.slow
@pytest.mark.timeout(600)  # seconds on an idle machine; a busy one must not look like a hang
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_ten_moments_it_ends_in_the_same_report(forking: Forking, tmp_path: Path) -> None:
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    forking.need("robust_model.evaluation.engine", "robust_model.networks.ensemble")
    rounds = int(forking.run(SCRIPT, str(calm), str(rough), "10"))
    first = timeless(json.loads((calm / "report.json").read_text()))
    assert first["complete"] and first["clean"]["correct"] > 0
    mine = load_tensors(calm / "adversarial.safetensors")[0]
    pictures = {path.name: path.read_bytes() for path in (calm / "samples").glob("*.png")}
    folders = [tmp_path / f"rough-{number + 1}" for number in range(rounds)]
    assert folders and sorted(tmp_path.glob("rough-*")) == sorted(folders)
    for folder in folders:
        assert timeless(json.loads((folder / "report.json").read_text())) == first
        theirs = load_tensors(folder / "adversarial.safetensors")[0]
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        left = [path for path in folder.rglob("*") if path.suffix == ".tmp" or path.name.startswith("last-")]
        assert not left
        assert {path.name: path.read_bytes() for path in (folder / "samples").glob("*.png")} == pictures


@pytest.mark.slow
def test_stopping_more_work_keeps_the_worst_case_that_was_known(tmp_path: Path) -> None:
    """U13: of attacks that have met every image, the worst case stays, and says of which attacks it is."""
    known = evaluate(changed(attacks=(MEAN,)), None)["worst_case"]
    for steps in range(1, 200):
        report = evaluate(CONFIG, tmp_path / str(steps), should_stop=stopping_after(steps))
        finished = report.get("worst_case_finished")
        if finished is not None:
            break
    assert not report["complete"]
    assert finished["attacks"] == [report["attacks"][0]["name"]]
    assert {key: finished[key] for key in known} == known
    assert "worst_case_finished" not in evaluate(CONFIG, None)
