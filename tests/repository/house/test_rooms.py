"""The rooms of the house: folders of a size that can be seen at once, each of which imports only those below it."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.sources import LIBRARY, PACKAGES, ROOT, imports, parse, violations

FLOORS = {
    "foundation": (
        *(
            "",
            "files",
            "downloads",
            "catalogue",
            "images",
            "command_line",
            "cluster",
            "jobs.store.migrations",
            "jobs.store",
        ),
        *("jobs.queue", "jobs"),
    ),
    "generator": (
        *("views", "objectives", "priors.kernels", "priors", "optimisers", "encoders", "units", "recipes"),
        *("records", "classes", "inputs", "synthesis", "production", "grids", "victims", "transfer", "vlm", "cli", ""),
    ),
    "robust_model": (
        *("data", "weights", "networks", "attacks", "evaluation.record", "evaluation.masking", "zoo", "evaluation"),
        *("reports", "training", "", "analyses", "cards", "cli"),
    ),
    "app": (
        *("records", "costs", "visitors", "accounts", "evaluation", "handlers", "ui.markup", "ui.head"),
        *("ui.attack.results", "ui.wiring", "ui.widgets", "ui.queue", "ui.grids", "ui.text", "ui.attack", "ui.classes"),
        *("ui.evaluation", "ui.history", "web", "api", "ui", ""),
    ),
}
"""The folders of each package, from the ground up ("" is the package's own); imports lead down, never up."""
MOST_FILES = 16
"""What people write and read in one folder, with its `__init__`: modules, scripts and style sheets."""
WRITTEN = (".py", ".js", ".css", ".sh")
ENTRY_POINTS = ("generator.cli", "robust_model.cli", "clip_model.cli")


def room_of(module: str, package: str) -> str | None:
    """The folder of FLOORS that a dotted name lies in; None for one of another package, or its `__init__` alone."""
    if module.partition(".")[0] != package:
        return None
    inside = module.removeprefix(package).lstrip(".")
    rooms = [room for room in FLOORS[package] if room and (inside == room or inside.startswith(f"{room}."))]
    return max(rooms, key=len, default="" if inside else None)


def leads_up(source: str, path: Path) -> list[str]:
    """Imports of a room further up in the same package."""
    package = path.parts[0]
    if package not in FLOORS or path.name == "__main__.py":
        return []
    floors = FLOORS[package]
    own = ".".join(path.parent.parts[1:])
    return [
        f"{path}:{line} imports {name}, which is above it"
        for line, name in imports(parse(source), ".".join(path.parent.parts))
        if (room := room_of(name, package)) is not None and floors.index(room) > floors.index(own)
    ]


def imports_entry_points(source: str, path: Path) -> list[str]:
    """Imports of a command line by anything but it and `__main__`."""
    own = ".".join(path.with_suffix("").parts)
    return [
        f"{path}:{line} imports {name}"
        for line, name in imports(parse(source), ".".join(path.parent.parts))
        for entry in ENTRY_POINTS
        if (name == entry or name.startswith(f"{entry}.")) and path.name != "__main__.py" and not own.startswith(entry)
    ]


@pytest.mark.slow
def test_imports_lead_down() -> None:
    found = violations({"up": (leads_up, LIBRARY), "of entry points": (imports_entry_points, LIBRARY)})
    assert found == {"up": [], "of entry points": []}


def test_every_folder_has_its_floor() -> None:
    for package, floors in FLOORS.items():
        folders = {path.parent.relative_to(ROOT / package) for path in (ROOT / package).rglob("*.py")}
        assert {"" if folder == Path() else ".".join(folder.parts) for folder in folders} == set(floors)
        assert len(floors) == len(set(floors))


def crowded(files: Iterable[Path]) -> dict[Path, int]:
    """The folders with more files than one sees at once, and how many they have."""
    found = Counter(path.parent for path in files if path.suffix in WRITTEN)
    return {folder: count for folder, count in found.items() if count > MOST_FILES}


def test_no_folder_is_crowded() -> None:
    folders = (*PACKAGES, "benchmarks", "scripts", "tests")
    assert crowded(path for folder in folders for path in (ROOT / folder).rglob("*")) == {}


def test_a_crowd_is_seen() -> None:
    files = [Path(f"a/{number}.py") for number in range(MOST_FILES)]
    assert crowded([*files, Path("a/b/c.py"), Path("a/picture.png")]) == {}
    assert crowded([*files, Path("a/style.css")]) == {Path("a"): MOST_FILES + 1}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (leads_up, "generator/views/a.py", "from generator.synthesis.synthesis import synthesise"),
        (leads_up, "generator/views/a.py", "def f():\n    from generator import synthesis"),
        (leads_up, "generator/priors/a.py", "import generator.cli.main"),
        (leads_up, "app/handlers/a.py", "from app.ui.markup import charts"),
        (leads_up, "app/ui/wiring/a.py", "from ..widgets import forms"),
        (leads_up, "app/costs/a.py", "from app import server"),
        (leads_up, "foundation/a.py", "from foundation.files.text_files import read_text"),
        (leads_up, "foundation/jobs/store/a.py", "from foundation.jobs.context import JobContext"),
        (imports_entry_points, "app/handlers/a.py", "from robust_model.cli import evaluate"),
        (imports_entry_points, "crossmax_studio/a.py", "import generator.cli.main"),
    ],
)
def test_planted_imports_are_seen(rule, path: str, source: str) -> None:
    assert rule(source, Path(path))


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (leads_up, "generator/synthesis/a.py", "from generator.views import jpeg\nfrom . import answers"),
        (leads_up, "generator/__main__.py", "from generator.cli.main import main"),
        (leads_up, "app/ui/attack/a.py", "from app.ui.attack.results import tables\nimport robust_model.cli"),
        (leads_up, "app/server.py", "from app.ui.page import build\nfrom app import __version__"),
        (imports_entry_points, "generator/cli/a.py", "from generator.cli import making"),
        (imports_entry_points, "clip_model/__main__.py", "from clip_model.cli import main"),
    ],
)
def test_imports_downwards_are_fine(rule, path: str, source: str) -> None:
    assert rule(source, Path(path)) == []
