"""The benchmark of perturbations: equal settings, and rates that a recount from the saved files gives."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.transfer_perturbations import methods, parse, run, shown
from foundation.errors import StudioError
from foundation.images.files import load_image, quantise, save_png, to_tensor
from foundation.intervals import Rate
from tests.generator.standins import Colours, LayeredColours, Words, rng

MODELS = {"near": Colours(), "far": LayeredColours(), "words": Words()}


def options(folder: Path, *more: str):
    for index in range(3):
        save_png(quantise(0.3 + 0.4 * torch.rand(1, 3, 16, 20, generator=rng(index))), folder / f"photo{index}.png")
    arguments = ["--photos", str(folder), "--surrogates", "near", "--victims", "far", "words", "--steps", "3"]
    arguments += ["--resolutions", "1..16"]  # the photos are smaller than those that the figures are measured on
    return parse([*arguments, "--out", str(folder / "out"), "--eps", "0.2", "--captions", "a frog | a ship", *more])


def test_rates_are_those_of_the_saved_files(tmp_path: Path) -> None:
    chosen = options(tmp_path, "--methods", "layers, sgd", "pixel, sgd", "pixel, apgd")
    printed, found = run(chosen, MODELS)
    figures = found.to_json()
    assert list(figures) == ["photos", "recipes", "results"]
    assert list(figures["results"]) == ["layers, sgd", "pixel, sgd", "pixel, apgd"]
    for place, (name, found) in enumerate(figures["results"].items()):
        for column, model in (("near*", MODELS["near"]), ("far", MODELS["far"])):
            changed, distances = 0, []
            for number in range(3):
                photo, attacked = (
                    to_tensor(load_image(tmp_path / "out" / file))
                    for file in (f"{number}.png", f"{number}-{place}.png")
                )
                changed += int(model(photo).argmax() != model(attacked).argmax())
                distances.append((attacked - photo).abs().max().item())
            assert (found["rates"][column]["successes"], found["rates"][column]["total"]) == (changed, 3)
        assert found["linf"] == pytest.approx(sum(distances) / 3, abs=1e-6)
        assert found["linf"] <= 0.2 + 1e-6
        assert found["held_out"]["total"] == 6
        assert list(found) == ["rates", "held_out", "linf", "l2"]
        assert name in printed
    assert json.loads(json.dumps(figures)) == figures


def test_methods_differ_in_perturbation_and_rule_alone(tmp_path: Path) -> None:
    _, figures = run(options(tmp_path, "--limit", "1", "--target", "green"), MODELS)
    own = {"perturbation", "optimiser", "momentum", "learning_rate"}
    shared = [
        {key: value for key, value in made.items() if key not in own} for made in figures.to_json()["recipes"].values()
    ]
    assert len(shared) == len(methods(3)) and all(fields == shared[0] for fields in shared)
    assert (shared[0]["classes"], shared[0]["objective"], shared[0]["start_std"]) == (["green"], "margin", 0.0)


def test_victims_are_held_out(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="'near' is a surrogate and a victim"):
        options(tmp_path, "--victims", "near")


def test_a_rate_in_words() -> None:
    assert shown(Rate(4, 8)) == "50 % [22, 78] of 8"
    assert shown(Rate(0, 0)) == "none of 0"
