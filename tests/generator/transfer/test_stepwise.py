"""A batch photo by photo: the same files and tables as one after the other, and known as they come."""

from pathlib import Path
from typing import Any

import pytest

from foundation.errors import StudioError
from generator.inputs.photos import Photo, list_photos
from generator.transfer.batch import save_report
from generator.transfer.report import Report
from generator.transfer.stepwise import attack_by_photo
from tests.generator.standins import Colours
from tests.generator.transfer.batches import measuring, plan_for, run, saved
from tests.generator.transfer.standins import RECIPE, Context, save_photos


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Photo, ...]:
    return list_photos(save_photos(tmp_path / "photos", (0, 2, 0))).photos


def step(folder: Path, photos: tuple[Photo, ...], context: Context | None = None, **options: Any) -> list[Report]:
    plan = plan_for(folder, photos, **options)
    reports = list(attack_by_photo(context or Context(), plan, {"colours": Colours()}, measuring()))
    save_report(reports[-1], reports[-1].to_json(folder), folder)
    return reports


def test_each_photo_is_measured_before_the_next_is_attacked(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    context = Context()
    reports = step(tmp_path / "out", photos, context)
    assert [report.cells[0].total for report in reports] == [1, 2, 3]
    assert [len(report.cases) for report in reports] == [1, 2, 3] and not reports[-1].stopped
    done = [one for one, total, _ in context.told if total == 9]
    assert done == sorted(done) and (done[0], done[-1]) == (0, 9)
    assert "Attacking 2 of 3: p1" in {message for _, _, message in context.told}
    run(tmp_path / "whole", photos)
    assert saved(tmp_path / "out") == saved(tmp_path / "whole")


@pytest.mark.parametrize("after", [0, 3, 6, 9, 12])
def test_stopped_at_any_moment_it_goes_on(tmp_path: Path, photos: tuple[Photo, ...], after: int) -> None:
    last = step(tmp_path / "out", photos, Context(stop_after=after))[-1]
    assert last.stopped and len(last.cases) < 3
    assert not last.to_json(tmp_path / "out")["complete"]
    assert step(tmp_path / "out", photos)[-1].cells[0].total == 3
    run(tmp_path / "whole", photos)
    assert saved(tmp_path / "out") == saved(tmp_path / "whole")


def test_a_photo_that_fails_is_a_sentence(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    photos[1].path.write_bytes(b"broken")
    last = step(tmp_path / "out", photos)[-1]
    assert list(last.failed) == [("colours", "p1")] and last.cells[0].total == 2
    for photo in photos:
        photo.path.write_bytes(b"broken")
    with pytest.raises(StudioError, match="None of the 3 photos"):
        step(tmp_path / "new", photos)
    with pytest.raises(StudioError, match="by another recipe"):
        step(tmp_path / "out", photos, colours=RECIPE.with_changes(seed=7))
