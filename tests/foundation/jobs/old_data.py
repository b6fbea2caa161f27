"""The data directory of the version that had no database."""

import json
from pathlib import Path

OLD = Path(__file__).parent / "old_data_dir"
"""Made by the last version without a database, killed while "cat" ran and "a boat" waited; but for its layers."""


def old_records() -> dict[str, dict]:
    """The records in the committed directory, by id."""
    found = (json.loads(path.read_text()) for path in OLD.glob("jobs/*/job.json"))
    return {record["id"]: record for record in found}
