"""`python -m generator batch | transfer` on models that stand in for real ones."""

import json
from pathlib import Path

import pytest
from PIL import Image

from foundation.images.files import read_metadata
from generator.recipes.recipe import Recipe
from tests.generator.cli.transfer_command import MODELS, QUICK, Run, report, transfer_command
from tests.generator.standins import Words


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return transfer_command(monkeypatch, tmp_path)


def test_batch_with_labels_and_survival(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("l.csv").write_text("filename,label,targeted_label\np0.png,0,1\np1.png,blue,green\n")
    flags = ["--model", "colours", "--victim", "colours", "--victim", "words=cifar10", "--survival", "jpeg-75", *QUICK]
    assert run("batch", "photos", "--out", "out", "--labels", "l.csv", *flags) == 0
    out, _ = capsys.readouterr()
    assert "colours  colours        saved     2 of 2" in out and out.rstrip().endswith("out/report.html")
    cells = {(cell["victim"], cell["survival"]): cell for cell in report()["cells"]}
    assert cells["colours", "jpeg-75"]["rate"]["total"] == 2
    assert cells["words=cifar10", "saved"]["left_out"] == {"not comparable": 2}
    assert Recipe.from_png("out/colours/p1.png").classes == ("green",)
    assert run("batch", "photos", "--out", "out", "--labels", "l.csv", "--json-only", *flags) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["made"], again["asked"]) == (0, 0)


@pytest.mark.parametrize("command", [["batch", "--model", "colours"], ["transfer", "--surrogate", "colours"]])
def test_the_recipe_can_be_left_out_and_a_run_goes_on(
    run: Run, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ask = [command[0], "photos", "--out", "out", *command[1:], "--class", "green", "--json-only", *QUICK]
    ask += ["--victim", "colours"]
    made = []
    for flags in (["--no-recipe"], ["--no-recipe"], [], []):
        assert run(*ask, *flags) == 0
        made.append(json.loads(capsys.readouterr().out)["made"])
        assert (read_metadata("out/colours/p1.png") == {}) is bool(flags)
    assert made == [2, 0, 2, 0]


def test_transfer_over_all_pairs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    aims = ["--class", "green", "--prompt", "a green thing", "--choice", "a green thing", "--choice", "a red thing"]
    victims = ["--victim", "colours", "--victim", "layered", "--victim", "words"]
    assert run("transfer", "photos", "--out", "out", "--matrix", *victims, *aims, *QUICK) == 0
    found = report()
    attacks = ["colours", "layered", "words"]
    assert list(found["recipes"]) == attacks
    assert [v["name"] for v in found["victims"]] == ["colours", "layered", "words=captions"]
    assert [(cell["attack"], cell["victim"]) for cell in found["cells"]] == [
        (attack, victim) for attack in attacks for victim in ("colours", "layered", "words=captions")
    ]
    assert found["recipes"]["words"]["classes"] == [] and found["recipes"]["colours"]["prompt"] == ""
    assert {image["targets"][0] for image in found["images"]} == {"green", "a green thing"}
    assert found["cells"][0]["rate"]["successes"] == 2


def test_transfer_of_sets_and_of_saved_pictures(run: Run) -> None:
    sets = ["--surrogate", "colours+layered", "--surrogate", "layered"]
    victims = ["--victim", "colours", "--victim", "layered"]
    assert run("transfer", "photos", "--out", "out", *sets, *victims, "--class", "green", "--quiet", *QUICK) == 0
    made = report()
    assert list(made["recipes"]) == ["colours+layered", "layered"]
    assert made["recipes"]["colours+layered"]["models"] == ["colours", "layered"]
    attacked = ["--attacked", "out/colours+layered", "--attacked", "out/layered"]
    assert run("transfer", "photos", "--out", "again", *attacked, *victims, "--quiet") == 0
    assert report("again")["cells"] == made["cells"]


def test_leaving_the_label(run: Run) -> None:
    Path("l.csv").write_text("filename,label\np0.png,red\np1.png,blue\n")
    flags = ["--objective", "leave", "--model", "colours", "--quiet", *QUICK]
    assert run("batch", "photos", "--out", "out", "--labels", "l.csv", *flags) == 0
    assert Recipe.from_png("out/colours/p1.png").classes == ("blue",)
    (cell,) = report()["cells"]
    assert cell["rate"]["successes"] == cell["rate"]["total"] == 2


def test_what_a_label_file_says_can_stand_in_a_prompt(run: Run) -> None:
    Path("l.csv").write_text("filename,label,targeted_label\np0.png,red,ship\np1.png,blue,frog\n")
    flags = [
        "--surrogate",
        "words",
        "--victim",
        "words=cifar10",
        "--prompt",
        "a photo of a {target}",
        "--quiet",
        *QUICK,
    ]
    assert run("transfer", "photos", "--out", "out", "--labels", "l.csv", *flags) == 0
    assert Recipe.from_png("out/words/p0.png").prompt == "a photo of a ship"
    assert [image["targets"] for image in report()["images"]] == [["ship"], ["frog"]]


def test_unknown_words_among_the_choices_are_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """F28: in the report and the terminal; labels without a known word are refused before the work."""
    monkeypatch.setitem(MODELS, "words", lambda: Words(vocabulary="a red green thing"))
    ask = ["transfer", "photos", "--surrogate", "colours", "--class", "green", "--victim", "words", *QUICK]
    choices = ["--choice", "a red thing", "--choice", "a green zymurgy"]
    assert run(*ask, "--out", "out", *choices) == 0
    found = report()
    assert found["victims"][0]["unknown_words"] == ["zymurgy"] and "'zymurgy'" in found["notes"][0]
    assert f"Note: {found['notes'][0]}" in capsys.readouterr().out
    assert run(*ask, "--out", "no", *choices, "--choice", "zymurgy") == 2
    assert "never saw any word of 'zymurgy'" in capsys.readouterr().err and not list(Path("no").rglob("*.png"))


def test_names_of_results_fit_a_file_system(run: Run) -> None:
    """F24: those that are made of the name of a photo, too."""
    Path("photos/p0.png").rename(name := Path(82 * "漢" + ".png"))
    assert run("attack", str(name), "--model", "colours", "--class", "green", "--quiet", *QUICK) == 0
    assert Path(66 * "漢" + "-attack.png").exists() and Path(66 * "漢" + "-attack.json").exists()


@pytest.mark.slow
def test_a_photo_that_is_too_large_is_refused_with_both_sizes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """F25: as soon as it is read, and in the words of who brings it."""
    Image.new("RGB", (5000, 3000)).save("wide.png")
    for command in (["attack", "wide.png", "--model", "colours"], ["text", "a frog", "--start", "wide.png"]):
        assert run(*command, "--out", "x.png") == 2
        said = capsys.readouterr().err
        assert "'wide.png' has 5000 x 3000 pixels, and at most 4096 a side" in said and "4096 x 2457" in said


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["batch", "photos"], "--out"),
        (["batch", "nothing", "--out", "o"], "no photo or folder 'nothing'"),
        (["batch", "photos", "--out", "o", "--model", "unicorn"], "no model 'unicorn'"),
        (["batch", "photos", "--out", "o", "--survival", "fire"], "no 'fire' to survive"),
        (["batch", "photos", "--out", "o", "--labels", "no.csv"], "cannot be read"),
        (["batch", "photos", "--out", "o", "--model", "colours", "--class", "unicorn"], "knows no class 'unicorn'"),
        (["batch", "photos", "--out", "o", "--model", "colours", "--victim", "layered=cifar10"], "classes of its own"),
        (["batch", "photos", "--out", "o", "--same", "dog"], "dog=beagle"),
        (["transfer", "photos", "--out", "o"], "--surrogate or --matrix"),
        (["transfer", "photos", "--out", "o", "--matrix", "--attacked", "photos"], "one of the two"),
        (["transfer", "photos", "--out", "o", "--surrogate", "words"], "--prompt"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    run: Run, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert run(*argv) == 2
    out, err = capsys.readouterr()
    last = err.strip().splitlines()[-1]
    assert says in last and out == "" and "Traceback" not in err
    assert not list(Path("o").rglob("*.png"))
