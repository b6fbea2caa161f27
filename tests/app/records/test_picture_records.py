"""Results of pictures as values: those of every version are read, and what is missing is said on the stage."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.records.pictures import NothingMade, PictureResult, note_of, pictures_of, result_of
from app.ui.markup import results, stage
from app.ui.markup.media import Media
from foundation.jobs.store.model import JobStatus
from foundation.record import RecordError
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureRecord
from tests.app.snapshots import snapshot
from tests.foundation.jobs.old_data import old_records
from tests.picture_results import answer, picture, result

FROG = Recipe(models=("net",), classes=("frog",))


def first_days() -> dict[str, Any]:
    """A result as the first version wrote it: fewer fields, and one class for each read-out."""
    says = {**answer("frog"), "readouts": [{"readout": "layer 3", "class": "cat", "probability": None}]}
    facts = {"file": "image-1.png", "seed": 3, "before": {"net": says}, "after": {"net": says}}
    facts |= {"success": {"net": True}, "perturbation": {"file": "change-1.png", "factor": 16.0}}
    whole = result(FROG, facts)
    later = ("enough", "unknown_words", "warnings", "ran_away", "taken_for", "with_recipe")
    return {name: value for name, value in whole.items() if name not in later}


def test_results_of_an_old_data_directory_are_read_whole() -> None:
    results_before = [record["result"] for record in old_records().values() if record["result"]]
    assert len(results_before) == 2
    for before in results_before:
        read = PictureResult.read(before)
        written = read.to_json()
        assert read.size == (32, 32) and list(written) == [
            name for name in PictureResult.model_fields if name in before
        ]
        assert written["recipe"] == read.recipe.model_dump(mode="json")  # with the fields that came since
        assert {**written, "recipe": before["recipe"]} == before


def test_results_of_the_first_version_are_read() -> None:
    read = PictureResult.read(first_days())
    (image,) = read.images
    (readout,) = image.after["net"].readouts
    assert [(one.name, one.probability) for one in readout.top] == [("cat", None)]
    assert (read.with_recipe, read.enough, read.ran_away) == (True, False, ())
    assert image.perturbation is not None and (image.perturbation.largest, image.perturbation.parts) == (None, None)


@pytest.mark.parametrize("name", ["recipe", "steps_asked", "stopped", "error", "device", "seconds", "size"])
def test_what_a_result_lacks_is_said_on_the_stage(name: str, tmp_path: Path) -> None:
    written = result(FROG, picture())
    del written[name]
    job = snapshot(tmp_path, status=JobStatus.DONE, result=written)
    with pytest.raises(RecordError, match=f"it lacks '{name}'"):
        result_of(job)
    media = Media({"data": tmp_path}, b"k" * 32)
    shown = stage.stage(job, media, lambda job: results.image_view(job, media))
    assert f"it lacks &#x27;{name}&#x27;" in shown and "This cannot be shown." in shown
    more = stage.details_of(job, lambda job: results.image_more(job, {}))
    assert more == f'<div class="cx-stage">{stage.loss_curves(job)}</div>'


@pytest.mark.parametrize("lacking", ["linf", "source"])
def test_a_change_whose_size_nobody_wrote_is_not_none(lacking: str, tmp_path: Path) -> None:
    """Once, a missing size was shown as 0.0/255."""
    image = picture(source="source.png", linf=0.1, l2=1.0)
    del image[lacking]
    recipe = Recipe(task="attack", models=("net",), classes=("ship",), norm="linf", eps=0.1)
    job = snapshot(tmp_path, kind="attack", status=JobStatus.DONE, result=result(recipe, image))
    with pytest.raises(RecordError, match="it lacks the"):
        results.attack_view(job, Media({"data": tmp_path}, b"k" * 32))


def test_pictures_alone_and_those_that_cannot_be_read(tmp_path: Path) -> None:
    job = snapshot(tmp_path, status=JobStatus.DONE, result=result(FROG, picture("a.png"), picture("b.png")))
    assert [one.file for one in pictures_of(job)] == ["a.png", "b.png"]
    for odd in (None, {"images": 5}, {"images": [{"file": "a.png"}]}, {"complete": True}):
        assert pictures_of(replace(job, result=odd)) == ()


def test_a_job_without_pictures_says_why(tmp_path: Path) -> None:
    written = NothingMade(note="The download was stopped.", images=()).to_json()
    assert written == {"note": "The download was stopped.", "images": []}
    job = snapshot(tmp_path, status=JobStatus.STOPPED, result=written)
    assert (result_of(job), note_of(job)) == (None, "The download was stopped.")
    assert "The download was stopped." in results.no_picture(job)
    assert note_of(replace(job, result=None)) == ""


def test_what_is_written_is_json_and_has_its_losses_apart() -> None:
    whole = PictureRecord.read({**result(FROG, picture()), "losses": {"total": [[1.0], [0.5]]}})
    assert json.loads(json.dumps(whole.to_json()))["losses"] == {"total": [[1.0], [0.5]]}
    made = PictureResult.of(whole, images=(picture(),), size=(3, 4))
    assert "losses" not in made.to_json(without=("losses",)) and made.to_json()["size"] == [3, 4]
