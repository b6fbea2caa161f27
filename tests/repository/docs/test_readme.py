"""What the README says, held to what is there."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from foundation.images.files import load_image
from generator.recipes.recipe import Recipe
from robust_model.evaluation.record.reading import as_report
from robust_model.reports import render_markdown
from robust_model.reports.summary import summary
from robust_model.reports.words import AFRESH, WHILE_ATTACKED, WORST_CASE, rule
from robust_model.zoo.catalogue import open_catalogue
from scripts.screenshots import MOST_BYTES, PHONE, SCENES, WIDE
from tests.loading import load_model
from tests.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_python_examples_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"<!-- run by tests/repository/docs/test_readme.py -->\n```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMAX_STUDIO_DATA", str(tmp_path / "data"))
    networks, pictures, parts, steps = [compile(block, "README.md", "exec") for block in blocks]
    named: dict[str, Any] = {}
    exec(networks, named)
    distance = (named["adversarial"] - named["images"]).abs().max()
    assert 0 < distance <= 8 / 255 + 1e-6 and torch.equal(named["adversarial"], named["result"].images)
    assert 0 <= named["report"].robust <= named["report"].clean <= 1
    exec(pictures, {})
    assert Recipe.from_png(tmp_path / "goldfish.png").prompt == "a goldfish"
    assert Recipe.from_png(tmp_path / "frog.png").classes == ("frog",)
    exec(parts, named)
    assert named["prior"]().mean() > 0.5 and named["seen"].shape == (4, 12, 32, 32)
    assert named["answer"].shape == (4, 10)
    exec(steps, {})
    assert load_image(tmp_path / "ship.png").size == (128, 128)
    assert Recipe.from_png(tmp_path / "ship.png").classes == ("ship",)


@pytest.mark.slow
def test_the_figures_are_those_of_the_reports() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "figures.py"), "--check"]
    assert subprocess.run(check, check=False, capture_output=True).returncode == 0


def test_the_screenshots_are_small_and_made_by_the_command_that_is_named() -> None:
    shown = set(re.findall(r"\]\(docs/screenshots/([a-z]+)\.webp\)", README))
    assert shown == set(SCENES) and "`python scripts/screenshots.py`" in README
    for name in shown:
        path = ROOT / "docs" / "screenshots" / f"{name}.webp"
        assert path.stat().st_size < MOST_BYTES
        with Image.open(path, formats=["WEBP"]) as shot:
            assert shot.width in (WIDE["width"], PHONE["width"])


def test_every_file_and_command_that_is_named_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    folders = "app|assets|benchmarks|clip_model|crossmax_studio|generator|robust_model|scripts|tests"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", README):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ([\w.]+)", README):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


def test_the_shipped_models_are_ready_small_and_have_cards_with_figures() -> None:
    shipped = {info.name: info for info in open_catalogue().list() if info.origin == "shipped"}
    cifar10 = ("crossmax-cifar10", "crossmax-plain-cifar10", "undefended-cifar10")
    known = {**dict.fromkeys(cifar10, (10, "CIFAR-10 (JPEG)"))}
    known |= {"crossmax-tiny64": (200, "tiny-imagenet-64"), "crossmax-imagenet64": (1000, "tiny-imagenet-64")}
    assert set(shipped) == set(known)
    for name, (classes, data) in known.items():
        info = shipped[name]
        assert info.ready, info.why_not
        assert (info.folder / "model.safetensors").stat().st_size <= 15e6
        assert "worst case per image" in info.card and data in info.card
        assert info.revision in info.card
        assert len(load_model(name).class_names) == classes


def test_what_is_said_of_autoattack_and_the_adaptive_suite_is_in_the_report() -> None:
    """`crossmax-plain-cifar10`: AutoAttack `rand` leaves several times as many images as all attacks together."""
    report = json.loads((ROOT / "assets/crossmax-plain-cifar10/evaluation-autoattack.json").read_text(encoding="utf-8"))
    (rand,) = (attack for attack in report["attacks"] if "autoattack" in attack)
    assert rand["config"]["version"] == "rand" and report["worst_case"]["n"] >= 256
    assert rand["autoattack"]["own_accuracy"] > 3 * report["worst_case"]["accuracy"]
    assert rand["autoattack"]["own_accuracy"] > report["worst_case"]["ci95"][1]
    assert report["findings"] and report["complete"]


def test_a_random_models_figures_have_their_rule_everywhere() -> None:
    """H5: 3.5 % while attacked and 7.4 % by fresh draws, AutoAttack's 26.6 and 27.3 %, in card, README, terminal."""
    folder = ROOT / "assets/crossmax-plain-cifar10"
    report = json.loads((folder / "evaluation-autoattack.json").read_text(encoding="utf-8"))
    (rand,) = (attack for attack in report["attacks"] if "autoattack" in attack)
    fresh = report["accounting"]["worst_case"]["rescored"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    row = next(line for line in README.splitlines() if line.startswith("| `crossmax-plain-cifar10` (auto"))
    for name, figures in ((rand["name"], (rand, rand["rescored"])), (WORST_CASE, (report["worst_case"], fresh))):
        for by, figure in zip((WHILE_ATTACKED, AFRESH), figures, strict=True):
            share = f"{figure['accuracy']:.1%}"
            assert f"| {name}, judged {by} | {share} |" in card
            assert re.search(rf"{share}( \([^)]*\))? {by}", row), (row, share, by)
            assert f"{name}, judged {by}: {share}" in render_markdown(as_report(report))
    said = rule(as_report(report))
    assert said in card and said in README
    said = summary(as_report(report))
    assert re.search(rf"worst case per image +{report['worst_case']['accuracy']:.1%}", said)
    assert re.search(rf"the same, by fresh draws +{fresh['accuracy']:.1%}", said)


def test_the_terminal_says_which_signs_were_tested() -> None:
    """H1: found, tested and not found, and not tested; each sign is in one of the three."""
    report = json.loads((ROOT / "assets/crossmax-cifar10/evaluation.json").read_text(encoding="utf-8"))
    (line,) = (
        line for line in summary(as_report(report)).splitlines() if "signs of gradient masking were tested" in line
    )
    for verdict, words in (
        ("found", "; found: "),
        ("not found", "tested and not found: "),
        ("not tested", "not tested: "),
    ):
        _, _, rest = line.partition(words)
        named = rest.partition(";")[0].rstrip(".").split(", ")
        assert named == [f["sign"] for f in report["findings"] if f["verdict"] == verdict]


def test_autoattack_on_the_robust_model_leaves_more_than_the_transfer_from_the_mean() -> None:
    """AutoAttack `standard` on 1,000 images of `crossmax-cifar10`; the worst case over all attacks is the headline."""
    report = json.loads((ROOT / "assets/crossmax-cifar10/evaluation-autoattack.json").read_text(encoding="utf-8"))
    (standard,) = (attack for attack in report["attacks"] if "autoattack" in attack)
    assert standard["config"]["version"] == "standard" and standard["n"] >= 1000 and report["complete"]
    on_the_mean = [attack["accuracy"] for attack in report["attacks"] if attack["name"].startswith("mean/")]
    assert on_the_mean and standard["autoattack"]["own_accuracy"] > max(on_the_mean)
    assert report["worst_case"]["accuracy"] <= min(attack["accuracy"] for attack in report["attacks"])
    assert any(f["sign"] == "AutoAttack overestimates" and f["verdict"] == "found" for f in report["findings"])
