"""Every row of the threat model names tests, and these are there."""

import re

from tests.sources import ROOT


def test_every_row_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| who", "| ---"))]
    assert len(rows) > 20
    for row in rows:
        held = row.rstrip("| ").rpartition(" | ")[2]
        file = ""
        named = re.findall(r"`([^`]+)`", held)
        assert named, row
        for name in named:
            if name.startswith("python -m"):
                continue
            path, _, test = name.partition("::") if "/" in name or name.startswith("::") else ("", "", name)
            file = path or file
            assert (ROOT / file).is_file(), f"{file} in: {row}"
            if test:
                function = test.partition("[")[0].rpartition("::")[2]
                assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), f"{name} in: {row}"
