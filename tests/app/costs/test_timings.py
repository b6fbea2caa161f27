"""U7: what work takes here: measured units, finished jobs that correct the estimate, and a file that may be damaged."""

import itertools

import pytest

from app.costs import timings
from app.costs.calibration import calibrate
from app.costs.estimates import Network, cost_of
from app.costs.timings import Stopwatch, Timings, Took
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from generator.recipes.presets import all_presets_of, from_preset, preset_fields
from generator.recipes.recipe import Recipe
from tests.generator.standins import Colours, NoisyColours
from tests.toy_models import Toys


def recipe(**fields):
    return from_preset("text", prompt="a frog", **fields)


def test_a_finished_job_is_what_the_next_one_takes(tmp_path):
    """U7: the same again, in any words and with any seed; near sizes by much of it, far ones by little."""
    known = Timings(tmp_path / "timings.json")
    guessed = known.cost(recipe(), "cpu")
    known.note(recipe(seed=3), "cpu", Took(step=0.5, after=2.0))
    again = Timings(tmp_path / "timings.json").cost(recipe(negative="text", seed=8), "cpu")
    assert again.per_step == pytest.approx(0.5, rel=0.01) and again.after == pytest.approx(2.0, rel=0.01)
    assert again.steps == pytest.approx(64 * 0.5, rel=0.01)
    assert known.cost(recipe(steps=128), "cpu").steps == pytest.approx(2 * again.steps, rel=0.01)
    assert known.cost(recipe(), "cuda") == guessed
    larger = {side: known.cost(recipe(size=(side, side)), "cpu").per_step for side in (128, 256, 1024)}
    plain = {side: cost_of(recipe(size=(side, side)), known.rates("cpu")).per_step for side in larger}
    factors = [larger[side] / plain[side] for side in larger]
    assert all(abs(b - 1) <= abs(a - 1) + 1e-9 for a, b in itertools.pairwise(factors))


@pytest.mark.parametrize("preset", all_presets_of("attack"))
def test_attacks_of_any_kind_are_remembered(tmp_path, preset):
    """What an attack leads to costs no time and is not kept: a target picture, say, which is not there any more."""
    fields = {**preset_fields("attack", preset), "target": "0" * 64, "classes": (), "models": ("tiny-clip",)}
    known, photo = Timings(tmp_path / "timings.json"), (480, 640)
    known.note(Recipe(**fields), "cpu", Took(3.0, 5.0), photo)
    asked = Recipe(**{**fields, "target": "", "target_views": "", "objective": "leave", "norm": "linf", "eps": 0.03})
    assert known.cost(asked, "cpu", photo).per_step == pytest.approx(3.0, rel=0.01)


def test_what_was_never_measured_is_learnt_from_its_first_job(tmp_path):
    known = Timings(tmp_path / "timings.json")
    slow = recipe(models=("large",))
    known.note(slow, "cpu", Took(step=6.0, after=1.0))
    assert known.rates("cpu").networks["large"].image == pytest.approx(2.0, rel=0.1)  # three views in a step
    assert known.cost(recipe(models=("large",), views_per_step=6), "cpu").per_step == pytest.approx(12, rel=0.2)


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"x": "y"}', '{"devices": {"cpu": {"pixel": ["x"]}}}'])
def test_a_damaged_file_starts_anew(tmp_path, content):
    path = tmp_path / "timings.json"
    path.write_text(content)
    known = Timings(path)
    before = known.cost(recipe(), "cpu")
    known.note(recipe(), "cpu", Took(9.0, 1.0))
    assert Timings(path).cost(recipe(), "cpu").per_step == pytest.approx(9.0) != before.per_step


def test_the_oldest_jobs_leave(tmp_path, monkeypatch):
    monkeypatch.setattr(timings, "MOST_JOBS", 2)
    known = Timings(tmp_path / "timings.json")
    for model in ("a", "b", "c"):
        known.note(recipe(models=(model,)), "cpu", Took(1.0, 1.0))
    assert [job["recipe"]["models"] for job in known._device("cpu").model_dump()["jobs"]] == [["b"], ["c"]]


def test_the_first_step_is_left_out():
    times = iter([10.0, 11.0, 12.0, 20.0])
    watch = Stopwatch(lambda: next(times))
    assert watch.took() is None
    for _ in range(3):
        watch.step()
    assert watch.took() == Took(step=1.0, after=8.0)


def test_the_start_measures_units_and_models_when_nobody_works(tmp_path, monkeypatch):
    """U7: measured in the background; nothing is measured while a job runs."""
    monkeypatch.setattr(timings, "_SIDE", 64)
    known = Timings(tmp_path / "timings.json")
    busy, waited = [True, True, *[False] * 9], []
    models = Toys({"plain": Colours(), "noisy": NoisyColours()}, "encoder", origin="shipped")
    calibrate(known, Catalogue([models, Toys({"own": None}, "encoder")]), "cpu", lambda: busy.pop(0), waited.append)
    assert len(waited) == 2
    rates = known.rates("cpu")
    assert rates.pixel > 0 and rates.product > 0 and rates.file > 0
    assert rates.networks["plain"].draws == 1 and rates.networks["noisy"].draws == 8
    assert rates.network("other") == Network()


def test_the_start_measures_classifiers_that_came_along_for_pictures_and_for_evaluations(tmp_path, monkeypatch):
    """Whoever comes first is told what all tabs cost; what cannot be evaluated is passed over."""
    monkeypatch.setattr(timings, "_SIDE", 64)
    known, evaluated = Timings(tmp_path / "timings.json"), []

    def evaluate(name):
        evaluated.append(name)
        if name == "first":
            raise StudioError("This one cannot be evaluated.")

    models = Toys({"first": Colours(), "second": Colours()}, "classifier", origin="shipped")
    calibrate(known, Catalogue([models]), "cpu", lambda: False, evaluated=evaluate)
    assert evaluated == ["first", "second"]
    assert {"first", "second"} <= known.rates("cpu").networks.keys()
