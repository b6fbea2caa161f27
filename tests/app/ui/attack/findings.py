"""Findings of an attack as they are written, a job that has them, and what the widgets of its tab hold."""

from pathlib import Path
from typing import Any

from app.records.findings import AttackFindings
from app.ui.attack.tab import AttackTab
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.recipes.recipe import Recipe
from tests.browser.attack_standins import heat, line, row, victim
from tests.browser.standins import CLASSES, MODELS

EVIL = '<img src=x onerror="alert(1)">'
DEFENDED, UNDEFENDED = (model.name for model in MODELS[:2])


def written(**changes: Any) -> dict[str, Any]:
    """Findings in the form that they are written in."""
    recipe = Recipe(task="attack", models=(DEFENDED,), classes=("ship",), norm="linf", eps=0.1)
    names = (DEFENDED, UNDEFENDED)
    victims = [victim(name, recipe) for name in (*names, "tiny-clip")]
    rows = [row(one["name"], part, names) for part in ("saved", "jpeg-75", "blur-1") for one in victims]
    found = {
        "complete": True,
        "question": {"label": "", "targets": ["ship"]},
        "survivals": {"saved": "The file.", "jpeg-75": "JPEG.", "blur-1": "Blur."},
        "victims": victims,
        "rows": rows,
        "distances": {"linf": 0.1, "l2": 1.0, "ssim": 0.9876, "lpips": None},
        "heat": [heat(DEFENDED, CLASSES)],
        "lines": [line(DEFENDED)],
    }
    return {**found, **changes}


def findings(**changes: Any) -> AttackFindings:
    return AttackFindings.read(written(**changes))


def snapshot(folder: Path, **changes: Any) -> JobSnapshot:
    values: dict[str, Any] = {
        "id": "a1", "kind": "attack", "title": "attack", "owner": "o" * 32, "device": "cpu",
        "status": JobStatus.DONE, "position": None, "done": 4, "total": 4, "unit": "steps", "eta_s": None,
        "message": "", "stopping": False, "curves": {}, "preview": None, "preview_version": 0,
        "result": None, "error": None, "created": 0.0, "started": 0.0,
        "finished": None, "params": {}, "folder": str(folder),
    }  # fmt: skip
    return JobSnapshot(**(values | changes))


def values(tab: AttackTab, **changes: Any) -> dict[Any, Any]:
    """What the widgets hold at first, with some of them changed by their ids on the page."""
    held = {one: one.value for one in tab.components}
    by_id = {getattr(one, "elem_id", None): one for one in held}
    return held | {by_id[name.replace("_", "-")]: value for name, value in changes.items()}
