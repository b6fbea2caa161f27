"""A report out of a file or out of JSON: brought to today's version and validated, or refused in one sentence."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from foundation.errors import StudioError
from foundation.files.text_files import read_json, shown
from robust_model.attacks import ATTACKS
from robust_model.evaluation.record.migration import STEPS, migrated
from robust_model.evaluation.record.schema import SCHEMA, EvaluationReport

_LENGTH = 200
"""Of what a sentence quotes, at most."""


def as_report(found: object, name: str = "This report") -> EvaluationReport:
    """The report that JSON describes, of any version. StudioError names the first field that does not fit.

    `name` begins that sentence, as in "The report 'x.json'".
    """
    if not isinstance(found, Mapping) or "schema" not in found:
        raise StudioError(
            f"{name} is no evaluation report: it has no 'schema'. Give the JSON that "
            "`python -m robust_model evaluate --json FILE` writes."
        )
    if found["schema"] not in (*STEPS, SCHEMA):
        versions = " and ".join(str(version) for version in (*STEPS, SCHEMA))
        raise StudioError(
            f"{name} has schema {str(found['schema'])[:_LENGTH]}, and this program reads {versions}: use the program "
            "that wrote it, or evaluate again."
        )
    try:
        return EvaluationReport.model_validate(migrated(dict(found)))
    except ValidationError as error:
        raise StudioError(f"{name} is damaged: {_fault(error)}. Fetch it anew, or evaluate again.") from error


def read_report(path: Path) -> EvaluationReport:
    """The report in a file, of any version. Raises StudioError with the file and the field."""
    return as_report(read_json(path, "report"), f"The report '{shown(path)}'")


def _fault(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ATTACKS)  # which kind was tried
    match first["type"]:
        case "missing":
            return f"it has no '{place}'"
        case "extra_forbidden":
            return f"it has '{place}', which no report has"
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"'{place}' is wrong: {said}" if place else said
