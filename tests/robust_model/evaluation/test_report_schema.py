"""The report as values: what is written is what was read, older versions are read, and what is damaged is named."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from robust_model.attacks import AutoAttackConfig, PgdConfig, SquareConfig
from robust_model.evaluation.journal import Entry
from robust_model.evaluation.masking.findings import findings_of
from robust_model.evaluation.record import schema, values
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.migration import STEPS, migrated
from robust_model.evaluation.record.reading import as_report, read_report
from robust_model.evaluation.record.schema import SCHEMA, EvaluationReport
from robust_model.evaluation.record.values import Proportion, Reported
from robust_model.evaluation.unit_facts import AttackFacts
from robust_model.reports import SCHEMA_PATH, compare, render_html, render_markdown
from robust_model.reports.schema_files import SCHEMA_FILES
from tests.reports import figure, plain_report
from tests.robust_model.evaluated import EPS, Coin, Known, chances, evaluate_model, images

OLD = sorted((Path(__file__).parent / "old_reports").glob("*.json"))
SHIPPED = [path for path in sorted(ASSETS.glob("*/evaluation*.json")) if (path.parent / "config.json").exists()]
FAMILY = [
    kind
    for module in (values, schema)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Reported)
]
FREE = ("clean_by_readout", "standing", "own", "before", "after", "numbers", "versions")
"""Parts whose keys are names of layers, attacks and so on: any of them may be missing."""


def read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(read_json(SCHEMA_PATH))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report with every part that there is, but those of a random model and of one that still runs."""
    attacks = (
        PgdConfig(source="mean", eps=EPS, steps=4, restarts=1),
        AutoAttackConfig(eps=EPS, version="custom", attacks=("apgd-ce",), steps=2, restarts=1),
        SquareConfig(eps=EPS, queries=10),
    )
    config = EvalConfig(model="m", data="d", count=0, eps=EPS, attacks=attacks, sweep=4, samples=1)
    return {**evaluate_model(config, Known(), tmp_path_factory.mktemp("run"), data=images()), "command": "python"}


@pytest.fixture(scope="module")
def random() -> dict[str, Any]:
    config = EvalConfig(model="c", data="d", count=0, eps=EPS, draws=5, attacks=(PgdConfig(eps=EPS, steps=2),))
    return evaluate_model(config, Coin(), data=chances(0, 30, 60, 100))


@pytest.mark.parametrize("kind", FAMILY)
def test_every_field_is_described_and_no_value_changes(kind: type[Reported]) -> None:
    assert [name for name, field in kind.model_fields.items() if not field.description] == []
    assert kind.model_config["frozen"] and kind.model_config["extra"] == "forbid"
    left_out = {name for name, field in kind.model_fields.items() if not field.is_required()}
    assert all(kind.model_fields[name].exclude_if is not None for name in left_out), "a default would be written"


@pytest.mark.parametrize("path", SCHEMA_FILES)
def test_the_committed_schema_is_that_of_the_values(path: Path) -> None:
    text = SCHEMA_FILES[path]()
    assert path.read_text("utf-8") == text, "run python scripts/report_schemas.py"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_a_shipped_report_is_written_as_it_was_read(path: Path) -> None:
    plain = read_json(path)
    written = json.loads(read_report(path).text())
    assert written == plain
    assert list(written) == list(plain) and [list(a) for a in written["attacks"]] == [list(a) for a in plain["attacks"]]
    validator().validate(plain)


@pytest.mark.slow
def test_what_an_evaluation_writes_is_valid_and_read_as_it_is(full: dict[str, Any], random: dict[str, Any]) -> None:
    for made in (full, random):
        validator().validate(made)
        assert json.loads(as_report(made).text()) == made
    assert random["accounting"] and full["attacks"][1]["autoattack"] and full["samples"] and full["sweep"]


def _places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key of a report, but those of `FREE`; of a long list the first entries stand for all."""
    if isinstance(value, dict) and (not place or place[-1] not in FREE):
        for key, item in value.items():
            yield (*place, key)
            yield from _places(item, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value[:4]):
            yield from _places(item, (*place, number))


def _changed(made: dict[str, Any], place: tuple[str | int, ...], *value: Any) -> dict[str, Any]:
    """The report with a field removed, or with another value there."""
    broken = copy.deepcopy(made)
    inner: Any = broken
    for key in place[:-1]:
        inner = inner[key]
    if value:
        inner[place[-1]] = value[0]
    else:
        del inner[place[-1]]
    return broken


def test_every_field_that_is_missing_is_named(full: dict[str, Any], random: dict[str, Any]) -> None:
    """Only what reports truly may lack can be left out, and it stays left out."""
    may_lack = {"command", "sweep", "convergence", "diagnostics", "ball", "faced", "two_faced", "own", "tied"}
    may_lack |= {"zero_gradients", "ends", "autoattack", "accounting", "precision", "only_standing", "sample"}
    lacked = set()
    places = [(made, place) for made in (full, random) for place in _places(made)]
    assert len(places) > 400
    for made, place in places:
        broken = _changed(made, place)
        try:
            read = as_report(broken, "The report 'x.json'")
        except StudioError as error:
            assert f"'{place[-1]}'" in str(error) or f".{place[-1]}'" in str(error), (place, str(error))
            assert str(error).startswith("The report 'x.json'") and "\n" not in str(error)
        else:
            assert place[-1] in may_lack or place == ("diagnostics", "passes"), place
            assert place[-1] in ("precision", "only_standing", "sample") or json.loads(read.text()) == broken
            lacked.add(place[-1])
    assert lacked >= may_lack - {"sample", "only_standing", "precision"}


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("clean", "accuracy"), 1.5, "'clean.accuracy' is wrong"),
        (("clean", "correct"), 7, "'clean' is wrong: 7 of 6 images cannot be right"),
        (("clean", "correct"), "5", "'clean.correct' is wrong"),
        (("clean", "ci95"), [0.9, 0.1], "the interval ends before it begins"),
        (("clean", "ci95"), [0.1], "'clean.ci95.1'"),
        (("per_image", "clean", 0), 1, "'per_image.clean.0' is wrong"),
        (("per_image", "counted"), [True], "'per_image.counted' has 1 entries for 6 images"),
        (("attacks", 0, "distance_max"), -0.1, "'attacks.0.distance_max' is wrong"),
        (("attacks", 0, "config", "loss"), "luck", "'attacks.0.config.loss' is wrong"),
        (("attacks", 0, "config", "kind"), "magic", "'attacks.0.config' is wrong"),
        (("findings", 0, "verdict"), "perhaps", "'findings.0.verdict' is wrong"),
        (("sweep", "curves", 0, "axis"), "luck", "'sweep.curves.0.axis' is wrong"),
        (("passes",), 300, "'passes' is wrong"),
        (("hello",), 1, "it has 'hello', which no report has"),
        (("schema",), 3, "has schema 3, and this program reads 1 and 2"),
        (("schema",), None, "has schema None"),
    ],
)
def test_what_is_wrong_is_named(full: dict[str, Any], place: tuple[str | int, ...], value: Any, words: str) -> None:
    with pytest.raises(StudioError) as caught:
        as_report(_changed(full, place, value), "The report 'x.json'")
    assert words in str(caught.value) and str(caught.value).startswith("The report 'x.json'")
    if place != ("hello",) and "cannot be right" not in words and "entries" not in words and "ends" not in words:
        assert list(validator().iter_errors(_changed(full, place, value))), "the schema refuses it, too"


def test_a_file_that_is_no_report_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for content, words in (
        ('{"hello": 1}', "is no evaluation report"),
        ("[1]", "is no evaluation report"),
        ('{"schema": 2, "clean', "it is no JSON"),
        (json.dumps({"schema": 2}), "is damaged: it has no 'complete'"),
        (json.dumps({"schema": 1, "passes": {}}), "is damaged"),
    ):
        path.write_text(content)
        with pytest.raises(StudioError, match=words) as caught:
            read_report(path)
        assert str(path) in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_older_reports_are_read_and_shown(path: Path) -> None:
    report, plain = read_report(path), read_json(path)
    assert report.version == SCHEMA
    assert json.loads(report.text())["clean"] == plain["clean"]
    assert as_report(json.loads(report.text())) == report, "what is brought to today's form stays in it"
    validator().validate(json.loads(report.text()))
    assert {f.sign for f in findings_of(report)} >= {"transfer beats direct", "zero gradient"}
    page, table = render_html(report), render_markdown(report)
    for attack in plain["attacks"]:
        assert attack["name"] in page and f"{attack['accuracy']:.1%}" in table
    assert compare([report, report]).differences[0].p == 1


def test_version_1_says_what_it_recorded_and_no_more() -> None:
    (path,) = (path for path in OLD if path.stem == "version-1")
    plain, report = read_json(path), read_report(path)
    assert plain["schema"] == 1 and set(STEPS) == {1}
    assert (report.passes.forward, report.passes.backward) == (plain["passes"], None)
    assert report.suites == ("adaptive",) and not report.samples and not report.findings
    assert report.data.class_names is None and report.accounting is None and report.diagnostics is None
    settings = report.config
    assert not settings.attack_all and not settings.cascade and settings.sweep == settings.samples == 0
    first = report.attacks[0]
    assert isinstance(first.config, PgdConfig) and first.config.steps == plain["attacks"][0]["config"]["steps"]
    assert first.correct == plain["attacks"][0]["correct"] and not first.cumulative
    unknown = (first.attacked, first.rescored, first.passes, first.seconds, first.distance_max)
    assert unknown == (None,) * 5, "what nobody recorded is no zero"
    assert f"{plain['passes']:,}" in render_html(report)
    own = copy.deepcopy(plain)
    own["config"]["attacks"] = [plain["attacks"][0]["config"]]
    assert as_report(own).suites == () and len(as_report(own).config.attacks) == 1


def test_the_first_reports_of_version_2_had_one_precision() -> None:
    (path,) = (path for path in OLD if path.stem == "version-2-first")
    plain = read_json(path)
    assert "precision" not in plain["config"]
    written = json.loads(read_report(path).text())
    assert written["config"].pop("precision") == "float32"
    assert written == plain, "nothing else is added"


def test_migration_leaves_what_is_damaged() -> None:
    for damaged in ({"schema": 1}, {"schema": 1, "attacks": 3, "config": [], "data": None}, {"schema": "1"}):
        found = migrated(dict(damaged))  # type: ignore[arg-type]
        with pytest.raises(ValidationError):
            EvaluationReport.model_validate(found)


def test_a_measure_of_which_one_report_has_no_images_is_not_compared() -> None:
    """An attack has met images, and no image has met every attack."""
    (path,) = (path for path in OLD if path.stem == "version-2-stopped")
    stopped = read_report(path)
    assert stopped.worst_case is None and stopped.attacks[0].n
    whole = plain_report(16, attacks=[stopped.attacks[0].to_json()])
    whole["per_image"]["standing"] = {stopped.attacks[0].name: [True] * 16}
    found = compare([stopped, as_report(whole)])
    assert {difference.measure for difference in found.differences} == {"clean"}


def test_a_damaged_part_of_a_journal_is_told() -> None:
    facts = AttackFacts(passes=(1, 2), seconds=1.0, distance_max=0.1, samples=(), extra={})  # type: ignore[arg-type]
    plain = facts.model_dump(mode="json")
    assert Entry({}, plain).read(AttackFacts) == facts
    old = {name: value for name, value in plain.items() if name not in ("tied", "speechless", "ends")}
    assert Entry({}, old).read(AttackFacts) == facts, "journals of before these were looked at"
    with pytest.raises(StudioError, match="'seconds' is missing or wrong"):
        Entry({}, {**plain, "seconds": None}).read(AttackFacts)


def test_values_are_frozen_and_checked() -> None:
    made = Proportion.model_validate(figure(3, 4))
    assert isinstance(made, BaseModel) and made.parts()["correct"] == 3
    with pytest.raises(ValidationError):
        made.correct = 4  # type: ignore[misc]
