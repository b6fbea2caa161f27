"""The benchmark of attacks: rates that a recount from the files gives, targets by the seed, and runs that go on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.attack_success import Aim, draw_photos, draw_target, parse, run
from foundation.errors import StudioError
from foundation.images.files import load_image, quantise, save_png, to_tensor
from tests.generator.standins import Colours, NoisyColours, rng

MODELS = {"near": Colours(30.0), "far": Colours(8.0), "noisy": NoisyColours()}


NAMES = ["blue/photo2", "blue/photo3", "blue/photo4", "red/photo0", "red/photo1"]


def photos(folder: Path) -> Path:
    """Five photos in two class folders."""
    for index in range(5):
        place = folder / "photos" / ("red" if index < 2 else "blue")
        place.mkdir(parents=True, exist_ok=True)
        save_png(quantise(0.3 + 0.4 * torch.rand(1, 3, 16, 20, generator=rng(index))), place / f"photo{index}.png")
    return folder / "photos"


def options(folder: Path, *more: str) -> Any:
    arguments = ["--photos", str(photos(folder)), "--models", "near", "--onlookers", "far", "--device", "cpu"]
    return parse([*arguments, "--out", str(folder / "out"), "--presets", "standard", "pgd", *more])


@pytest.mark.slow
def test_rates_are_those_of_the_saved_files(tmp_path: Path) -> None:
    results = run(options(tmp_path), MODELS)
    printed, figures = results.markdown(), results.to_json()
    keys = ["success", "mean_probability", "median_seconds", "mean_seconds", "mean_steps", "first_success"]
    assert list(figures["rows"][0]) == ["model", "preset", "goal", *keys, "onlookers", "photos"]
    assert [(row["preset"], row["goal"]) for row in figures["rows"]] == [
        ("standard", "targeted"),
        ("standard", "untargeted"),
        ("pgd", "targeted"),
        ("pgd", "untargeted"),
    ]
    for row in figures["rows"]:
        reached, probabilities, fooled = 0, [], 0
        assert [one["photo"] for one in row["photos"]] == NAMES
        for one in row["photos"]:
            clean = to_tensor(load_image(tmp_path / "photos" / f"{one['photo']}.png"))
            (file,) = (tmp_path / "out" / "near" / row["preset"] / row["goal"]).glob(f"*{one['photo'][-6:]}*.png")
            saved = to_tensor(load_image(file))
            assert (saved - clean).abs().max() <= 8 / 255 + 1e-6
            with torch.no_grad():
                before, after = (MODELS["near"](image).softmax(1)[0] for image in (clean, saved))
                others = [int(MODELS["far"](image).argmax()) for image in (clean, saved)]
            said, target = MODELS["near"].class_names[int(before.argmax())], one["target"]
            assert one["clean"] == said != target
            wanted = after[MODELS["near"].class_names.index(target)] if target else 1 - after[int(before.argmax())]
            first = MODELS["near"].class_names[int(after.argmax())]
            reached += first == target if target else first != said
            fooled += MODELS["far"].class_names[others[1]] == target if target else others[0] != others[1]
            probabilities.append(float(wanted))
            assert (row["goal"] == "targeted") == bool(target)
        assert (row["success"]["successes"], row["success"]["total"]) == (reached, 5)
        assert row["onlookers"]["far"]["successes"] == fooled
        assert row["mean_probability"] == pytest.approx(sum(probabilities) / 5, abs=1e-6)
        assert f"| near | {row['preset']} | {row['goal']} | {reached} of 5: " in printed
        first = [one["took"]["first_seconds"] for one in row["photos"]]
        assert row["first_success"]["of"] == sum(second is not None for second in first) >= reached
        assert all(one["took"]["first_seconds"] <= one["took"]["seconds"] for one in row["photos"] if one["reached"])
    assert json.loads(json.dumps(figures)) == figures


@pytest.mark.slow
def test_a_run_that_is_started_again_makes_no_picture_twice(tmp_path: Path) -> None:
    told: list[str] = []
    rows = run(options(tmp_path, "--limit", "2"), MODELS, told.append).to_json()["rows"]
    assert len(told) == 8 and told[0].startswith("1 of 8 attacks") and "min left" in told[0]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    assert len(stamps) == 8
    gone = sorted(stamps)[0]
    gone.unlink()
    same = run(options(tmp_path, "--limit", "2"), MODELS).to_json()["rows"]
    changed = [path for path in stamps if path.stat().st_mtime_ns != stamps[path]]
    assert changed == [gone]

    def timeless(rows: Sequence[Any]) -> list[Any]:
        return [[{**one, "took": None} for one in row["photos"]] for row in rows]

    assert timeless(same) == timeless(rows)


def test_targets_are_never_what_the_model_says_and_come_from_the_seed() -> None:
    drawn = [draw_target(3, f"photo {index}", 2, 4) for index in range(200)]
    assert set(drawn) == {0, 1, 3}
    assert drawn == [draw_target(3, f"photo {index}", 2, 4) for index in range(200)]
    assert drawn != [draw_target(4, f"photo {index}", 2, 4) for index in range(200)]


def test_photos_are_drawn_by_the_seed_at_any_depth(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    assert len(draw_photos(folder, 0, 0)) == 5
    some = {seed: draw_photos(folder, 2, seed) for seed in range(8)}
    assert all(len(found) == 2 and found == sorted(found) for found in some.values())
    assert some[0] == draw_photos(folder, 2, 0) and len({tuple(found) for found in some.values()}) > 1
    with pytest.raises(StudioError, match="no folder"):
        draw_photos(tmp_path / "none", 0, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="no photo"):
        draw_photos(tmp_path / "empty", 0, 0)


def test_aims() -> None:
    answer = torch.tensor([0.5, 0.3, 0.2])
    assert (Aim(0, None).reached(answer), Aim(0, None).probability(answer)) == (False, 0.5)
    assert (Aim(1, None).reached(answer), Aim(2, 0).reached(answer), Aim(0, 1).reached(answer)) == (True, True, False)
    assert Aim(0, 1).probability(answer) == pytest.approx(0.3)


def test_a_model_that_draws_random_numbers_is_asked_by_the_rule_of_all(tmp_path: Path) -> None:
    chosen = parse(["--photos", str(photos(tmp_path)), "--models", "noisy", "--limit", "1", "--device", "cpu"])
    found = [run(chosen, MODELS).to_json()["rows"] for _ in range(2)]
    assert [row["mean_probability"] for row in found[0]] == [row["mean_probability"] for row in found[1]]


@pytest.mark.parametrize(
    ("more", "words"), [(["--presets", "gentle"], "no preset 'gentle'"), (["--side", "3"], "at least 8")]
)
def test_bad_flags_are_refused(more: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=words):
        parse(["--photos", str(tmp_path), *more])
