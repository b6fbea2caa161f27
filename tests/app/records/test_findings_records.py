"""Findings of attacks as values: those of every version are read, and what is missing is said on the stage."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.handlers.findings import FINDINGS_NAME, read_findings, read_folder_findings
from app.records.findings import AttackFindings
from app.records.folders import FolderFindings
from app.ui.attack.results import folder as folder_results
from app.ui.attack.results import results as attack_results
from app.ui.markup import stage
from app.ui.markup.media import Media
from foundation.jobs.store.model import JobStatus
from foundation.record import RecordError
from generator.recipes.recipe import Recipe
from generator.transfer.outcome import Outcome
from tests.app.ui.attack.findings import DEFENDED, snapshot, written
from tests.browser.attack_standins import victim
from tests.browser.folder_standins import cell
from tests.picture_results import picture, result

ATTACK = Recipe(task="attack", models=(DEFENDED,), norm="linf", eps=0.1)


def folder_written() -> dict[str, Any]:
    """Findings of a folder, in the form that they are written in."""
    pictures = [{"image": "a", "attack": "x", "photo": "batch/photos/a.png", "attacked": "batch/x/a.png"}]
    return {
        "attacks": {"x": [DEFENDED]}, "total": 2, "done": 1, "targeted": False,
        "victims": [{**victim(name, ATTACK), "note": ""} for name in (DEFENDED, "other")],
        "survivals": {"saved": "The file."}, "cells": [{**cell(DEFENDED, "saved", 1), "attack": "x"}],
        "pictures": pictures, "missing": [{"image": "b", "why": "It is gone."}], "complete": False,
    }  # fmt: skip


def lacking(found: dict[str, Any], place: str) -> dict[str, Any]:
    """The same without what is at a place such as rows.0.outcome."""
    found = json.loads(json.dumps(found))
    *way, last = place.split(".")
    part: Any = found
    for step in way:
        part = part[int(step)] if step.isdigit() else part[step]
    del part[last]
    return found


def test_findings_are_written_as_they_are_read() -> None:
    whole = written(video=None, views=[])
    assert AttackFindings.read(whole).to_json() == whole
    assert FolderFindings.read(folder_written()).to_json() == folder_written()


@pytest.mark.parametrize(
    "place",
    [
        *("question", "victims", "rows", "complete", "question.label", "victims.0.why_not", "rows.0.outcome"),
        *("rows.0.after.confidence", "distances.ssim", "heat.0.before.0.shares", "lines.0.points.0.was"),
    ],
)
def test_what_findings_lack_is_said_on_the_stage(place: str, tmp_path: Path) -> None:
    (tmp_path / FINDINGS_NAME).write_text(json.dumps(lacking(written(), place)))
    with pytest.raises(RecordError, match=f"This record of findings cannot be read: it lacks '{place}'"):
        read_findings(tmp_path)
    job = snapshot(tmp_path, result=result(ATTACK, picture(source="source.png", linf=0.1, l2=1.0)))
    media = Media({"data": tmp_path}, b"k" * 32)
    assert f"it lacks &#x27;{place}&#x27;" in stage.stage(
        job, media, lambda job: attack_results.attack_view(job, media)
    )


@pytest.mark.parametrize("place", ["attacks", "total", "done", "victims", "cells.0.rate", "cells.0.rate.ci95"])
def test_what_findings_of_a_folder_lack_is_said(place: str, tmp_path: Path) -> None:
    (tmp_path / FINDINGS_NAME).write_text(json.dumps({"folder": lacking(folder_written(), place)}))
    with pytest.raises(RecordError, match=f"it lacks '{place}'"):
        read_folder_findings(tmp_path)
    job = snapshot(tmp_path, params={"folder": {}}, status=JobStatus.RUNNING)
    shown = stage.readable(lambda job: folder_results.folder_tables(job, {}), job)
    assert f"it lacks &#x27;{place}&#x27;" in shown


def test_findings_of_the_first_version_are_read() -> None:
    """Without notes on words, and without reasons why something could not happen to a picture."""
    first = written()
    for one in (*first["rows"], *first["victims"]):
        one.pop("why", None)
        one.pop("note", None)
    found = AttackFindings.read(first)
    assert {row.why for row in found.rows} == {one.note for one in found.victims} == {""}
    assert found.to_json() == first
    assert (found.files, found.saliency, found.views, found.video) == (None, None, None, None)


def test_findings_of_a_folder_with_one_attack_are_read(tmp_path: Path) -> None:
    """The first version named the attack once, and nothing of whom it is made with."""
    first = folder_written()
    del first["attacks"], first["pictures"][0]["attack"]
    first["attack"] = "x"
    (tmp_path / FINDINGS_NAME).write_text(json.dumps({"folder": first}))
    found = read_folder_findings(tmp_path)
    assert found is not None and found.attacks == {"x": (DEFENDED,)} and found.pictures[0].attack == "x"
    job = dataclasses.replace(snapshot(tmp_path), params={"folder": {}})
    assert "After 1 of 2 photos" in folder_results.folder_tables(job, {})
    for odd in ({**first, "victims": 5}, {**first, "attack": 5}, lacking(first, "pictures")):
        with pytest.raises(RecordError, match="cannot be read"):
            FolderFindings.read(odd)


def test_findings_are_read_again_when_they_change(tmp_path: Path) -> None:
    assert read_findings(tmp_path) is None and read_folder_findings(tmp_path) is None
    path = tmp_path / FINDINGS_NAME
    path.write_text(json.dumps(written(rows=[])))
    first = read_findings(tmp_path)
    assert first is not None and first.rows == () and read_findings(tmp_path) is first
    path.write_text(json.dumps(written()))
    os.utime(path, ns=(1, 1))
    again = read_findings(tmp_path)
    assert again is not None and again.rows[0].outcome is Outcome.FAILURE
