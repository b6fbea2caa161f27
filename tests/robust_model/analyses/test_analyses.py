"""The analyses against linear defences, whose exact answers under attack are known on paper."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from foundation.errors import StudioError
from foundation.images.files import to_tensor
from foundation.progress import Progress
from robust_model.analyses import ANALYSES, Material, Monitor, Stopped, plotting
from robust_model.analyses.base import AnalysisReport
from robust_model.analyses.bench import ReadOut, choose_crossmax, combinations, predictors
from robust_model.analyses.crossmax import WORST
from robust_model.analyses.defences import ReadAs, Together
from robust_model.analyses.report import analyse_job, page, table_of
from robust_model.analyses.sweep import worst_case
from robust_model.attacks import Defence
from robust_model.data.datasets import LabelledImages
from robust_model.networks.crossmax import AGGREGATORS, crossmax
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.noise import Noise
from tests.robust_model.defences import Linear, standing

EPS = 0.1


class Watchers(nn.Module):
    """Three predictors of two classes on 1 x 2 images.

    "a" and "b" answer "yes" if the red values add up to 0.6 or 0.45, "c" if the green ones do to 0.6. An attack within
    0.1 lowers a sum by 0.2 at most, and changes none that it doesn't look at but by its random start.
    """

    readout_names = ("a", "b", "c")
    class_names = ("no", "yes")
    random = False

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, -1]

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        red, green = images[:, 0].flatten(1).sum(1), images[:, 1].flatten(1).sum(1)
        scores = torch.stack([red - 0.6, red - 0.45, green - 0.6], dim=1)
        return torch.stack([-scores / 2, scores / 2], dim=2)


class Scaled(Linear):
    """The linear classifier alone, `scale` times as sure of itself."""

    readout_names = ("output",)

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        return self.scale * super().readouts(images)[:, :1]


class Context:
    """A job that nobody watches, and that somebody stops after so many reports."""

    device = "cpu"

    def __init__(self, steps: float = float("inf")) -> None:
        self.left, self.seen = steps, []

    @property
    def stop_requested(self) -> bool:
        return self.left <= 0

    def progress(self, now: Progress, /) -> None:
        self.seen.append((now.done, now.total))
        self.left -= 1


def images_of(pixels: list[Tensor]) -> LabelledImages:
    """All of the class "yes"; the rounding to 8 bits is far finer than what decides."""
    rounded = torch.stack(pixels).mul(255).round().to(torch.uint8)
    return LabelledImages(rounded, torch.ones(len(pixels), dtype=torch.long), ("no", "yes"), "hand-made")


def watched(a: float, c: float) -> Tensor:
    """An image [3, 1, 2] that "a" gives the score `a`, "b" one higher by 0.15, and "c" the score `c`."""
    return torch.stack([torch.full((1, 2), value) for value in ((a + 0.6) / 2, (c + 0.6) / 2, 0.5)])


def material(defence: Defence | dict[str, Defence], data: LabelledImages | None) -> Material:
    models = defence if isinstance(defence, dict) else {"model": defence}
    return Material(tuple(models.items()), {}, "cpu", data, range(10, 10 + len(data)) if data else ())


class Analysed(NamedTuple):
    """What was found: the report as it is written, as values, the pictures and the words."""

    report: dict[str, Any]
    values: AnalysisReport[Any, Any]
    pictures: Mapping[str, Image.Image]
    text: str


def found(kind: str, subject: Material, context: Context | None = None, **settings: Any) -> Analysed:
    first = subject.models[0][0]
    config = ANALYSES[kind].config(model=first, **settings)
    made = analyse_job(context or Context(), kind, config, subject)
    return Analysed(made.report.to_json(), made.report, made.pictures, made.text())


WATCHED = images_of([watched(0.03, 0.25), watched(0.08, 0.25), watched(-0.05, 0.25), watched(0.25, 0.19)])


def test_transfer_counts_what_is_known() -> None:
    report = found("transfer", material(Watchers(), WATCHED), eps=EPS, steps=20, batch=3).report
    result = report["result"]
    assert result["readouts"] == ["a", "b", "c", "mean", "CrossMax top-3"]
    assert [f["correct"] for f in result["clean"][:3]] == [3, 4, 4]
    counts = [[(cell["broken"], cell["n"]) for cell in row[:3]] for row in result["success"][:3]]
    # "a" falls for scores below 0.2, "b" (0.15 higher) with it where there is room; "c" sees nothing of it. The
    # third image is no success against "a", which gets it wrong when clean.
    assert counts[0] == counts[1] == [(2, 3), (2, 4), (0, 4)]
    assert counts[2][2] == (1, 4)
    assert result["success"][0][0]["rate"] == pytest.approx(2 / 3)
    assert report["data"] == {"source": "hand-made", "n": 4, "asked": 4, "indices": [10, 11, 12, 13]}


def test_transfer_takes_the_last_iterates_and_not_the_first_success() -> None:
    # The whole way takes "a" from 0.02 to -0.18 and "b" from 0.17 to -0.03; the first success of an attack on "a"
    # would leave "b" standing.
    data = images_of([watched(0.02, 0.3)] * 6)
    result = found("transfer", material(Watchers(), data), eps=EPS, steps=20).report["result"]
    assert result["success"][0][1]["broken"] == 6


def test_nothing_right_when_clean_has_no_rate() -> None:
    data = images_of([watched(-0.1, 0.3)] * 2)
    made = found("transfer", material(Watchers(), data), eps=EPS, steps=2)
    cell = made.report["result"]["success"][0][0]
    assert cell == {"rate": None, "broken": 0, "n": 0, "ci95": [0.0, 1.0]}
    assert table_of(made.values).rows[0][1] == "–"
    with plotting.styled():
        plotting.render(ANALYSES["transfer"].draw(made.values, {}), "png")


def test_layers_counts_what_is_known() -> None:
    report = found("layers", material(Watchers(), WATCHED), eps=EPS, steps=20).report
    accuracy = report["result"]["accuracy"]
    assert list(accuracy) == ["clean", "attack on c", "attack on mean"]
    assert [f["correct"] for f in accuracy["clean"][:3]] == [3, 4, 4]
    assert accuracy["attack on c"][2]["correct"] == 3
    # The mean's gradient looks at red and green alike: "a" and "b" lose 0.2, and so does "c".
    assert [f["correct"] for f in accuracy["attack on mean"][:3]] == [1, 2, 3]
    assert report["result"]["per_image"]["clean"][2][0] == 0
    assert report["passes"]["backward"] == 4 * 2 * 21


def test_a_plain_network_has_one_layer_and_nothing_to_combine() -> None:
    data = images_of([standing(s) for s in (0.3, 0.8)])
    result = found("layers", material(Scaled(1), data), eps=EPS, steps=10).report["result"]
    assert result["readouts"] == ["output"]
    assert {k: v[0]["correct"] for k, v in result["accuracy"].items()} == {"clean": 2, "attack on output": 1}
    with pytest.raises(StudioError, match="several networks"):
        found("crossmax", material(Scaled(1), data), eps=EPS)


def test_crossmax_of_networks_that_differ_in_scale_alone_falls_as_they_do() -> None:
    # With margins k s of the class "yes", k = 1, 2, 3, the median of CrossMax is |s| for the right class.
    networks: dict[str, Defence] = {f"times {k}": Scaled(k) for k in (1, 2, 3)}
    data = images_of([standing(s) for s in (0.48, 0.52, 0.1, 0.3, -0.1)])
    settings = {"others": ("times 2", "times 3"), "eps": EPS, "steps": 20, "batch": 2}
    report = found("crossmax", material(networks, data), **settings).report
    rows = {row["title"]: row["accuracy"] for row in report["result"]["rows"]}
    assert list(rows) == ["times 1", "times 2", "times 3", "mean", "CrossMax median"]
    for accuracy in rows.values():
        assert {f["correct"] for name, f in accuracy.items() if name != "clean"} == {1}
        assert accuracy["clean"]["correct"] == 4
    assert list(rows["CrossMax median"]) == ["clean", "directly", "through the mean", WORST]


def test_a_masked_crossmax_stands_directly_and_falls_through_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AGGREGATORS, "crossmax-median", lambda logits: crossmax(logits).detach())
    data = images_of([standing(s) for s in (0.4, 0.45, 0.48)])
    networks: dict[str, Defence] = {f"times {k}": Scaled(k) for k in (1, 2, 3)}
    settings = {"others": ("times 2", "times 3"), "eps": EPS, "steps": 20}
    rows = found("crossmax", material(networks, data), **settings).report["result"]["rows"]
    counts = {name: f["correct"] for name, f in rows[-1]["accuracy"].items()}
    assert counts == {"clean": 3, "directly": 3, "through the mean": 0, WORST: 0}


def test_one_networks_predictors_stand_for_networks() -> None:
    report = found("crossmax", material(Watchers(), WATCHED), eps=EPS, steps=20).report
    assert [row["title"] for row in report["result"]["rows"]] == ["a", "b", "c", "mean", "CrossMax top-3"]
    assert not report["result"]["independent"]
    assert report["result"]["rows"][2]["accuracy"]["directly"]["correct"] == 3


def test_the_sweep_breaks_each_image_at_its_budget_and_reaches_zero() -> None:
    # A budget lowers the score by five times itself.
    data = images_of([standing(s) for s in (0.08, 0.2, 0.45, 0.7, -0.1)])
    settings = {"budgets": (0.02, 0.05, 0.1, 0.2, 0.3), "steps": 20, "batch": 2}
    report = found("sweep", material(Linear(), data), **settings).report
    result = report["result"]
    for points in result["curves"].values():
        assert [(p["eps"], p["correct"]) for p in points] == [(0, 4), (0.02, 3), (0.05, 2), (0.1, 1), (0.2, 0)]
    assert result["broken_at"]["mean"] == [0.02, 0.05, 0.1, 0.2, -1.0]
    assert result["zero_at"] == 0.2
    assert report["notes"][0] == "Accuracy reaches zero at 51/255."


def test_a_mask_keeps_the_direct_curve_up_and_not_the_worst_case() -> None:
    data = images_of([standing(s) for s in (0.2, 0.45)])
    result = found("sweep", material(Linear(masked=True), data), budgets=(0.05, 0.1), steps=20).report["result"]
    last = {name: points[-1]["correct"] for name, points in result["curves"].items()}
    assert last == {"attack on answer": 2, "attack on mean": 0, "worst of these": 0}

    alone = found("sweep", material(Linear(masked=True), data), budgets=(0.1,), sources=("defence",), steps=5).report
    assert alone["result"]["zero_at"] is None and "masked gradients" in alone["notes"][0]


def test_worst_case_over_sources_by_hand() -> None:
    broken_at = [[0.1, 0.2, float("inf"), -1.0], [0.2, 0.1, 0.4, -1.0]]
    points = worst_case(broken_at, [0.0, 0.1, 0.2, 0.4, 0.8], reach=float("inf"))
    assert [(p.eps, p.correct) for p in points] == [(0.0, 3), (0.1, 1), (0.2, 1), (0.4, 0)]
    assert [p.eps for p in worst_case(broken_at, [0.0, 0.1, 0.2], reach=0.1)] == [0.0, 0.1]


def test_the_gallery_shows_pictures_that_fool_the_model_within_the_budget() -> None:
    data = images_of([standing(s) for s in (0.1, 0.7, 0.3, -0.1, 0.2)])
    settings = {"eps": EPS, "steps": 20, "batch": 2, "examples": 2}
    gallery = found("gallery", material(Linear(), data), **settings)
    result = gallery.report["result"]
    assert [e["index"] for e in result["examples"]] == [10, 12], "the first in the data's order that fall"
    assert result["images_tried"] == gallery.report["data"]["n"] == 4
    for example, row in zip(result["examples"], (0, 2), strict=True):
        shown = {kind: to_tensor(gallery.pictures[file]) for kind, file in example["pictures"].items()}
        clean = data.images[row][None].float() / 255
        torch.testing.assert_close(shown["clean"], clean, rtol=0, atol=1e-6)
        assert float((shown["adversarial"] - clean).abs().max()) <= EPS + 1e-6
        assert example["linf_levels"] == round(255 * float((shown["adversarial"] - clean).abs().max()))
        assert Linear().readouts(shown["adversarial"])[0, -1].argmax() == 0
        assert example["clean"][:3] == [1, 1, 1] and example["clean"][-1] == 1 and example["adversarial"][-1] == 0
        back = clean + 2 * EPS * (shown["perturbation"] - 0.5)
        torch.testing.assert_close(back, shown["adversarial"], rtol=0, atol=EPS / 255 + 1e-6)


def test_a_gallery_without_a_success_says_so() -> None:
    gallery = found("gallery", material(Linear(), images_of([standing(0.7)])), eps=0.01, steps=3)
    assert gallery.report["result"]["examples"] == [] and gallery.pictures == {}
    with plotting.styled():
        assert b"<svg" in plotting.render(ANALYSES["gallery"].draw(gallery.values, {}), "svg")


TINY = ModelConfig(
    class_names=("x", "y", "z"), widths=(8, 16), blocks=(1, 1), readout_depths=(1, 2), aggregator="crossmax-top2",
    inference_noise="fresh",
)  # fmt: skip


def tiny(seed: int = 0) -> SelfEnsemble:
    return SelfEnsemble(TINY, seed=seed).eval().requires_grad_(False)


def pictures(count: int) -> LabelledImages:
    pixels = torch.randint(256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    with torch.no_grad():
        labels = tiny()(pixels.float() / 255).argmax(1)  # so that some are right
    return LabelledImages(pixels, labels, TINY.class_names, "noise")


QUICK: dict[str, dict[str, Any]] = {
    "layers": {"steps": 2, "eot": 2, "draws": 3, "batch": 4},
    "resolutions": {"steps": 2, "eot": 1, "draws": 3, "batch": 4},
    "transfer": {"steps": 2, "eot": 1, "draws": 3, "batch": 4},
    "crossmax": {"steps": 2, "eot": 1, "draws": 3, "batch": 4},
    "sweep": {"steps": 2, "eot": 1, "draws": 3, "batch": 4, "budgets": (0.01, 0.1)},
    "classes": {"preset": "quick", "steps": 2, "images": 2},
    "gallery": {"eps": 0.5, "steps": 2, "eot": 1, "draws": 3, "batch": 4, "examples": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ANALYSES)
def test_every_analysis_meets_its_contract(kind: str) -> None:
    """Repeats, reports rising progress, and its JSON alone makes the table, the figure and the page."""
    data = pictures(6) if kind != "classes" else None
    context = Context()
    first, second = (found(kind, material(tiny(), data), c, **QUICK[kind]) for c in (context, None))
    assert json.loads(json.dumps(first.report)) == first.report
    assert first.report["complete"] and first.report["result"] == second.report["result"]
    analysis = ANALYSES[kind]
    report = AnalysisReport[analysis.config, analysis.result].model_validate(first.report)  # type: ignore[name-defined]
    assert report == first.values and report.to_json() == first.report
    for name in first.report["result"]:
        broken = {**first.report, "result": {k: v for k, v in first.report["result"].items() if k != name}}
        with pytest.raises(ValidationError, match=name):
            type(report).model_validate(broken)
    assert all(field.description for part in (type(report), analysis.result) for field in part.model_fields.values())
    done = [d for d, _total in context.seen]
    assert done == sorted(done) and all(d <= total for d, total in context.seen)
    assert context.seen[-1][0] == context.seen[-1][1] or kind == "gallery", "enough examples may be found early"

    table = table_of(report)
    assert table.rows and all(len(row) == len(table.header) for row in table.rows)
    with plotting.styled():
        drawn = plotting.render(ANALYSES[kind].draw(report, first.pictures), "svg")
    text = page(report, drawn.decode())
    assert text.count("<svg") == 1 and "http" not in text.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    )
    assert first.text.count("\n") > len(table.rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["layers", "crossmax"])
def test_a_stop_keeps_the_batches_that_are_done(kind: str) -> None:
    data = pictures(6)
    counting = Context()
    whole = found(kind, material(tiny(), data), counting, **QUICK[kind]).report
    stopped = found(kind, material(tiny(), data), Context(len(counting.seen) - 3), **QUICK[kind]).report
    assert not stopped["complete"] and stopped["data"]["n"] == 4 and stopped["data"]["indices"] == [10, 11, 12, 13]
    if kind == "layers":
        kept = stopped["result"]["per_image"]["attacked"]
        assert kept == {name: rows[:4] for name, rows in whole["result"]["per_image"]["attacked"].items()}
    with pytest.raises(Stopped):
        found(kind, material(tiny(), data), Context(2), **QUICK[kind])


def test_stopped_class_images_are_those_that_are_finished() -> None:
    stopped = found("classes", material(tiny(), None), Context(4), **QUICK["classes"])
    assert not stopped.report["complete"]
    assert [d["class"] for d in stopped.report["result"]["drawn"]] == ["x"]
    assert list(stopped.pictures) == ["class-000-1.png", "class-000-2.png"]


def test_a_stopped_sweep_keeps_the_budgets_that_are_done() -> None:
    data = images_of([standing(0.7)] * 3)
    settings = {"budgets": (0.01, 0.02, 0.03), "steps": 5, "sources": ("defence",)}
    report = found("sweep", material(Linear(), data), Context(10), **settings).report
    assert not report["complete"]
    assert [p["eps"] for p in report["result"]["curves"]["attack on answer"]] == [0, 0.01]
    assert "masked" not in " ".join(report["notes"]), "no verdict on what was not measured"


@pytest.mark.slow
def test_equal_figures_are_equal_files() -> None:
    report = found("layers", material(Watchers(), WATCHED), eps=EPS, steps=1).values
    with plotting.styled():
        for form in ("svg", "png"):
            first, second = (plotting.render(ANALYSES["layers"].draw(report, {}), form) for _ in range(2))
            assert first == second


def test_read_outs_by_name() -> None:
    watchers = Watchers()
    assert predictors(watchers)[1] == ReadOut("predictor 1", "b")
    answers_by_crossmax = ReadAs(watchers, "crossmax-top3")
    assert [r.source for r in combinations(answers_by_crossmax)] == ["mean", "crossmax-top3"]
    assert [r.source for r in combinations(ReadAs(watchers, "mean-probability"))] == [
        "mean",
        "crossmax-top3",
        "defence",
    ]
    assert choose_crossmax(ReadAs(watchers, "crossmax-median")) == "crossmax-median"
    with pytest.raises(StudioError, match="at least 3 predictors"):
        choose_crossmax(Linear(), "crossmax-top3")
    assert choose_crossmax(Linear()) == "crossmax-median"


def test_networks_together_answer_by_their_mean() -> None:
    images = torch.stack([standing(0.3), standing(-0.2)])
    together = Together(("one", "three"), (Scaled(1), Scaled(3)))
    logits = together.readouts(images)
    assert logits.shape == (2, 2, 2)
    torch.testing.assert_close(logits[:, 1], 3 * logits[:, 0])
    torch.testing.assert_close(together.combine(logits), 2 * logits[:, 0])
    assert not together.random and ReadAs(together, "predictor 1").combine(logits).equal(logits[:, 1])
    other: Callable[[], nn.Module] = tiny
    with pytest.raises(StudioError, match="same classes"):
        Together(("one", "tiny"), (Scaled(1), other()))  # type: ignore[arg-type]


def test_a_monitor_never_passes_its_total() -> None:
    seen: list[int] = []
    monitor = Monitor(lambda now: seen.append(now.done))
    monitor.begin(3)
    monitor.at(5, "")
    assert seen == [0, 3]
