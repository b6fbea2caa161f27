"""The cards that ship are still written from what is read of the models beside them."""

import pytest

from robust_model.training.provenance import provenance_lines
from robust_model.zoo.registry import read_exported
from tests.sources import ROOT

FOLDERS = sorted(path.parent for path in (ROOT / "assets").glob("*/config.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_cards_tell_where_the_models_come_from(folder) -> None:
    lines = provenance_lines(read_exported(folder).provenance)
    assert len(lines) >= 3 and lines[0].startswith("- Command: `python -m ")
    assert "\n".join(lines) in (folder / "README.md").read_text(encoding="utf-8")


def test_changes_and_origins_are_told() -> None:
    made = {"command": "c", "commit": "1", "versions": "v", "machine": "m", "more": [1]}
    changes = [{"step": 7, "command": "d"}, {"step": "about 9", "command": "e"}]
    parents = [
        {"name": "a", "revision": "r", "weight": 0.25, "provenance": {**made, "data": "pictures"}},
        {"role": "Taught by", "name": "b", "revision": "s", "provenance": {}},
    ]
    assert provenance_lines({**made, "changes": changes, "parents": parents}) == [
        "- Command: `c`",
        "- Code: commit 1; v; m",
        "- Changed at step 7: `d`",
        "- Changed at step about 9: `e`",
        "- Made of 'a' (revision r, weight 0.25):",
        "  - Command: `c`",
        "  - Code: commit 1; v; m",
        "  - Data: pictures",
        "- Taught by 'b' (revision s):",
    ]
    assert provenance_lines({}) == []
