"""Folders in, a folder out: attack many photos, measure what came out, and report it; it goes on where it was ended.

The folder holds plan.json (which attacks), a folder for each attack with the pictures and their records,
answers.jsonl (what the victims said), and the report: report.json, rows.csv and report.html.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from foundation.cluster.cluster import Cluster
from foundation.errors import StudioError
from foundation.files.text_files import read_object, shown, write_json, write_text
from foundation.protocols import JobContext
from generator.classes.names import Names
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.transfer.attacking import Attacked, AttackPlan, attack_photos
from generator.transfer.report import Report, to_csv
from generator.transfer.report_html import NOTHING_MORE, Addition, to_html
from generator.transfer.table import Case, compare
from generator.victims.store import VerdictStore
from generator.victims.survival import SAVED
from generator.victims.victims import Victim

PLAN, ANSWERS = "plan.json", "answers.jsonl"
REPORT_JSON, ROWS_CSV, REPORT_HTML = "report.json", "rows.csv", "report.html"


@dataclass(frozen=True, eq=False)
class Measuring:
    """With whom to measure, and what.

    Attributes:
        victims: are asked in this order.
        survivals: names in `SURVIVALS` of what happens to the files.
        names: which classes are the same.
        left_out: photos that nothing is made of, with a sentence on why, for the report.
        notes: sentences on what a reader of the report has to know.
    """

    victims: Sequence[Victim]
    survivals: Sequence[str] = (SAVED,)
    names: Names = field(default_factory=Names)
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def run_batch(
    context: JobContext,
    plan: AttackPlan,
    models: Mapping[str, Model],
    measuring: Measuring,
    cluster: Cluster | None = None,
) -> tuple[Report, dict[str, JsonValue]]:
    """Attack, measure and report; return the report, and it as JSON with what was done in this run.

    Run again with the same plan it goes on where it was ended, and measures with further victims. Asked to stop, it
    reports the pictures that were measured by then. StudioError if the folder holds other attacks, or every photo
    failed. With a `cluster` its workers attack.
    """
    plan = replace(plan, attacks=check_plan(plan.folder, plan.attacks))
    attacked = attack_photos(context, plan, models, cluster)
    if not attacked.stopped:
        refuse_nothing(attacked)
    return _measure(context, plan.folder, plan.attacks, attacked, measuring)


def refuse_nothing(attacked: Attacked) -> None:
    """Raise StudioError if every photo failed."""
    if attacked.failed and not attacked.cases:
        photos = {photo for _attack, photo in attacked.failed}
        first = next(iter(attacked.failed.values()))
        raise StudioError(f"None of the {len(photos)} photos could be attacked. {first}")


def measure_cases(
    context: JobContext, cases: Sequence[Case], folder: Path, measuring: Measuring
) -> tuple[Report, dict[str, JsonValue]]:
    """Measure and report pictures that are there already, whoever made them; otherwise as `run_batch`."""
    return _measure(context, folder, {}, Attacked(list(cases)), measuring)


def _measure(
    context: JobContext, folder: Path, attacks: Mapping[str, Recipe], attacked: Attacked, measuring: Measuring
) -> tuple[Report, dict[str, JsonValue]]:
    store = VerdictStore(folder / ANSWERS)
    compared = compare(
        attacked.cases,
        measuring.victims,
        survivals=measuring.survivals,
        names=measuring.names,
        store=store,
        on_progress=context.progress,
        should_stop=lambda: context.stop_requested,
    )
    report = Report(
        recipes=attacks,
        victims=measuring.victims,
        survivals=measuring.survivals,
        cases=attacked.cases,
        comparison=compared,
        failed=attacked.failed,
        left_out=measuring.left_out,
        notes=measuring.notes,
        stopped=attacked.stopped or compared.stopped,
    )
    found = report.to_json(folder)
    save_report(report, found, folder)
    return report, {**found, "stopped": report.stopped, "made": attacked.made, "asked": store.asked}


def save_report(
    report: Report, found: Mapping[str, JsonValue], folder: Path, addition: Addition = NOTHING_MORE
) -> None:
    """Save a report, which `found` is as JSON, in its three forms, the page with an addition. Raises StudioError."""
    write_json(folder / REPORT_JSON, found, "report", indent=1)
    write_text(folder / ROWS_CSV, to_csv(report), "report")
    write_text(folder / REPORT_HTML, to_html(report, addition=addition), "report")


def check_plan(folder: Path, attacks: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Write down which attacks a folder is for, and return them as they are to be made.

    A folder that an older version of the program began is gone on with as it was begun: by recipes of that version.
    StudioError if it is for attacks of the same names with other recipes.
    """
    path = folder / PLAN
    try:
        written = read_object(path, "plan")["attacks"] if path.exists() else {}
        before = {name: Recipe(**fields) for name, fields in written.items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StudioError(f"The plan '{shown(path)}' cannot be read ({error}). Name a new folder.") from error
    planned: dict[str, Recipe] = {}
    for name, recipe in attacks.items():
        planned[name] = before.get(name, recipe)
        if not _asks_the_same(recipe, planned[name]):
            raise StudioError(
                f"The folder '{shown(folder)}' holds the attack '{name}' by another recipe. Repeat that one to go on "
                "with it, or name a new folder."
            )
    together = {**before, **planned}
    if together != before:
        recipes = {name: json.loads(recipe.to_json()) for name, recipe in together.items()}
        write_json(path, {"attacks": recipes}, "plan", indent=1)
    return planned


def _asks_the_same(recipe: Recipe, before: Recipe) -> bool:
    """Whether a recipe says what one of another version says."""
    try:
        return recipe.with_changes(version=before.version) == before
    except StudioError:  # it says what that version cannot
        return False
