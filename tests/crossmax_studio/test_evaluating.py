"""`evaluate` on images in memory, held to what can be known beforehand and to the engine itself."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossmax_studio import Progress, Report, StudioError, evaluate

Photos = tuple[Tensor, Tensor]


def test_what_stands_is_what_no_change_within_the_budget_can_turn(network: nn.Module, photos: Photos) -> None:
    """Leads of 4 levels fall at 8/255, those of 40 stand; a wrong label is wrong from the start."""
    images, labels = photos
    network.train()
    report = evaluate(network, images, labels, suite="quick")
    assert isinstance(report, Report) and report.complete and network.training
    assert (report.clean, report.robust) == (1.0, 0.5)
    assert report.standing == [False, True, False, True]
    assert report.robust_interval is not None and report.robust_interval[0] < 0.5 < report.robust_interval[1]
    assert report.warnings == () and "worst case per image" in report.text() == str(report)
    wrong = evaluate(network, images, 1 - labels, suite=["quick"], steps=1)
    assert wrong.clean == 0.0 and wrong.standing == [False] * 4
    assert evaluate(network, images, labels, suite="quick", eps=1 / 255).robust == 1.0


def test_images_between_the_levels_are_told(network: nn.Module, photos: Photos, tmp_path: Path) -> None:
    images, labels = photos
    report = evaluate(network, images + 0.3 / 255, labels, suite="quick", steps=2)
    assert any("rounded" in warning for warning in report.warnings)
    report.save(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report.facts


def test_progress_is_told_and_a_stop_is_in_the_report(network: nn.Module, photos: Photos) -> None:
    heard: list[Progress] = []
    report = evaluate(
        network,
        *photos,
        suite=("quick", "square"),
        on_progress=heard.append,
        should_stop=lambda: len(heard) > 3,
        batch=2,
    )
    assert not report.complete and len(heard) >= 4
    assert all(now.done <= now.total for now in heard)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"suite": "mild"}, "There is no suite 'mild'"),
        ({"suite": ()}, "at least one suite"),
        ({"eps": 2.0}, "'eps' is not valid"),
        ({"stepz": 3}, "'stepz' is not valid"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_words(
    options: dict[str, object], says: str, network: nn.Module, photos: Photos
) -> None:
    with pytest.raises(StudioError) as refused:
        evaluate(network, *photos, **options)
    assert says in str(refused.value)


def test_images_that_are_none_are_refused(network: nn.Module) -> None:
    with pytest.raises(StudioError, match="divide 8-bit ones by 255"):
        evaluate(network, torch.full((1, 3, 8, 8), 7.0), torch.tensor([0]))
