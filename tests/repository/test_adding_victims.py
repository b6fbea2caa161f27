"""Adding a kind of victim is one entry: it is asked, and its answers are in tables and on the page."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from app.handlers.findings import read_findings
from app.handlers.registry import make_handlers
from app.ui.attack.results import tables
from app.visitors.data_dir import DataDir
from foundation.images.files import pixel_digest, save_png
from foundation.jobs import JobRequest, run_foreground
from generator.recipes.recipe import Recipe
from generator.victims.verdicts import Verdicts, verdict_from
from generator.victims.victims import VICTIMS, AsUsual, VictimKind, victim_kind
from tests.app.standins import toys, workshop
from tests.repository.adding import QUICK, Colours, added, run
from tests.toy_models import Toys


class Oracle:
    """No classifier, and no encoder."""

    class_names = ()

    def ask(self, images: Tensor) -> Tensor:
        return 20 * images.mean((2, 3))


@dataclass(frozen=True, eq=False)
class Asked(AsUsual):
    """An oracle as a victim, which cannot be followed to the pixels."""

    name: str
    oracle: Oracle
    labels: tuple[str, ...] = ("red", "green", "blue")
    kind: str = "toy"
    identity: str = "0" * 16
    unknown: tuple[str, ...] = ("zymurgy",)

    def look(self, images: Tensor, /) -> Verdicts:
        return tuple(verdict_from(row[None], self.labels) for row in self.oracle.ask(images))


TOY_VICTIM = VictimKind(
    lambda model: isinstance(model, Oracle),
    lambda name, model, _labels, _device: Asked(name, model),  # type: ignore[arg-type]
    says=lambda labels: f"asks the stars about {labels}",
)


def test_a_victim_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the table of the command, and in what a job of the page finds out and shows."""
    monkeypatch.chdir(tmp_path)
    photo = Image.new("RGB", (16, 12), (90, 120, 80))
    save_png(photo, tmp_path / "photo.png")
    with added(VICTIMS, TOY_VICTIM):
        asked = ["transfer", "photo.png", "--surrogate", "colours", "--class", "red", *QUICK, "--out", "out"]
        assert run(*asked, "--victim", "oracle=cifar10", oracle=Oracle()) == 2  # it has answers of its own
        assert run(*asked, "--victim", "oracle", "--victim", "colours", oracle=Oracle()) == 0
        found = json.loads((tmp_path / "out" / "report.json").read_text())
        victims = {one["name"]: one for one in found["victims"]}
        assert victims["oracle"]["kind"] == "toy" and victims["oracle"]["unknown_words"] == ["zymurgy"]
        rows = {row["victim"]: (row["before"]["label"], row["after"]["label"], row["outcome"]) for row in found["rows"]}
        assert rows["oracle"] == rows["colours"] and rows["oracle"][0] == "green"

        data = DataDir(tmp_path / "data")
        data.create()
        classifiers = toys()
        classifiers.models["oracle"] = Oracle()
        handlers = make_handlers(workshop(data, Toys({}, "encoder"), classifiers))
        data.uploads.keep(photo, "local")
        recipe = Recipe(task="attack", models=("colours",), classes=("blue",), norm="linf", eps=0.1, resolutions="1..4")
        wish = {"victims": ["oracle"], "survivals": ["half"]}
        params = {"recipe": json.loads(recipe.to_json()), "source": pixel_digest(photo), "explore": wish}
        assert "findings_error" not in run_foreground(JobRequest("attack", params), handlers, tmp_path / "job")
        findings = read_findings(tmp_path / "job")
        assert findings is not None and findings.complete
        (seen,) = [one for one in findings.saliency or () if one.victim == "oracle"]
        assert "gives no gradients" in seen.why_not
        page = tables.tables(findings, {"oracle": "The oracle"})
    assert "asks the stars about 3. oracle never saw" in page
    assert victim_kind(Colours()) is VICTIMS["classifier"]
