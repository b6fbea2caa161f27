"""The JSON schemas of reports, made from their values; `python scripts/report_schemas.py` writes them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from robust_model.evaluation.record.schema import SCHEMA, EvaluationReport
from robust_model.evaluation.record.values import Reported

SCHEMA_PATH = Path(__file__).with_name("report.schema.json")


class _Untitled(GenerateJsonSchema):
    """Without a title for every field, which says no more than its name."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 -- it is asked of each field
        """Never."""
        return False


def schema_text(kind: type[Reported], name: str, title: str, version: int) -> str:
    """The JSON schema of a report as it is written: what must be there is what is always written."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:crossmax-studio:{name}:{version}",
        **kind.model_json_schema(mode="serialization", schema_generator=_Untitled),
        "title": f"{title}, version {version}",
    }
    return json.dumps(head, indent=2, ensure_ascii=False) + "\n"


SCHEMA_FILES: Mapping[Path, Callable[[], str]] = {
    SCHEMA_PATH: lambda: schema_text(EvaluationReport, "evaluation-report", "Evaluation report", SCHEMA),
}
"""What each file of a schema holds."""
