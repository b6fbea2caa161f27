"""The benchmark of transfer: equal passes, rates that a recount gives, a journal to go on from, tests by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.transfer.__main__ import listed, parse, run
from benchmarks.transfer.figures import Paired, Row, markdown, shown
from benchmarks.transfer.methods import METHODS, NOISE
from benchmarks.transfer.running import CLEAN, Attack, Bench, Journal, Line, Work, captions_of, do
from benchmarks.transfer.tables import TABLES
from foundation.errors import StudioError
from foundation.images.files import load_image, quantise, save_png, to_tensor
from foundation.intervals import Rate
from generator.classes.labels import imagenet, tiny_clip
from tests.generator.standins import Colours, rng

MODELS: dict[str, Any] = {"near": Colours(30.0), "far": Colours(8.0)}


class Bright(torch.nn.Module):
    """Sees golf balls in bright photos, and tench in dark ones."""

    class_names = imagenet().labels

    def __init__(self) -> None:
        super().__init__()
        self.golf_ball = self.class_names.index("golf ball")

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(len(images), len(self.class_names))
        logits[:, 0], logits[:, self.golf_ball] = 1, 2 * images.mean(dim=(1, 2, 3))
        return logits


def photos(folder: Path) -> Path:
    """Four photos in two folders."""
    for index in range(4):
        place = folder / "photos" / ("red" if index < 2 else "blue")
        place.mkdir(parents=True, exist_ok=True)
        save_png(quantise(0.3 + 0.4 * torch.rand(1, 3, 16, 20, generator=rng(index))), place / f"photo{index}.png")
    return folder / "photos"


def options(folder: Path, *more: str) -> Any:
    chosen = ["methods", "--photos", str(photos(folder)), "--out", str(folder / "out"), "--limit", "3", "--sure", "far"]
    found = parse([*chosen, "--surrogates", "near", "--victims", "near", "far", "--levels", "20", *more])
    found.interrupted = False
    return found


def bench(folder: Path, said: list[str] | None = None) -> Bench:
    say = [].append if said is None else said.append
    return Bench(folder / "photos", folder / "out", 0, MODELS.__getitem__, say)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_the_same_passes_and_budget(name: str) -> None:
    for passes in (20, 40):
        recipe = METHODS[name].recipe(("lite0",), 4 / 255, passes=passes)
        assert METHODS[name].passes_of(recipe, recipe.steps) == passes
        assert (recipe.eps, recipe.norm, recipe.objective, recipe.classes) == (4 / 255, "linf", "leave", ())
    led = METHODS[name].recipe(("lite0",), 4 / 255, target="7")
    assert led.classes == ("7",) and led.objective != "leave"
    copies = [view for view in recipe.views.split(" | ") if view.startswith("si:")]
    assert METHODS[name].copies == (int(copies[0][3:]) if copies else 1)


def test_steps_of_pixels_add_up_to_what_their_authors_take() -> None:
    rates = {name: METHODS[name].recipe(("lite0",), 0.1, passes=20).learning_rate for name in METHODS}
    assert (rates["pgd"], rates["mi-fgsm"], rates["si-ti-di-mi"]) == (2.5 / 20, 1 / 20, 1 / 4)
    assert rates["layers"] == rates["pixels"] == rates["standard"] == rates["transferable, pixels"]


def test_rates_are_those_of_the_saved_files(tmp_path: Path) -> None:
    chosen = options(tmp_path, "--methods", "layers", "pgd", NOISE)
    printed = run(chosen, bench(tmp_path), "methods")
    written = json.loads((tmp_path / "out" / "methods.json").read_text())
    assert printed == (tmp_path / "out" / "methods.md").read_text() and "3 photos" in printed
    assert len(written["photos"]) == 3 and [row["method"] for row in written["rows"]] == ["layers", "pgd", NOISE]
    for row in written["rows"]:
        for name, model in MODELS.items():
            fooled = ""
            for photo in written["photos"]:
                clean = to_tensor(load_image(tmp_path / "photos" / f"{photo}.png"))
                (file,) = (tmp_path / "out" / "pictures").glob(f"*_{row['method']}*/*{photo[-6:]}*.png")
                saved = to_tensor(load_image(file))
                assert (saved - clean).abs().max() <= 20 / 255 + 1e-6
                fooled += str(int(model(saved).argmax() != model(clean).argmax()))
            assert row["fooled"][name] == fooled
            assert (row["rates"][name]["successes"], row["rates"][name]["total"]) == (fooled.count("1"), 3)
        assert row["passes"] == (1 if row["method"] == NOISE else 20) and row["linf_levels"] <= 20.001


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    told: list[str] = []

    class Interrupting(Bench):
        def make(self, photo: Path, attack: Attack, avoided: Sequence[str]) -> Path:
            if len(told) == 3:
                raise KeyboardInterrupt
            return super().make(photo, attack, avoided)

    arguments = ("--methods", "pgd", NOISE)
    stopped = options(tmp_path, *arguments)
    broken = Interrupting(tmp_path / "photos", tmp_path / "out", 0, MODELS.__getitem__, told.append)
    assert "1 photos" in run(stopped, broken, "methods") and stopped.interrupted
    assert told[0].startswith("1 of 6: near untargeted 20 pgd") and "min left" in told[0]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    assert len(stamps) == 3
    idle = replace(bench(tmp_path), idle=True)
    assert "1 photos" in run(options(tmp_path, *arguments), idle, "methods")  # those that are done
    again: list[str] = []
    assert "3 photos" in run(options(tmp_path, *arguments), bench(tmp_path, again), "methods")
    assert len(again) == 3 and all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    more: list[str] = []  # another victim is asked about the pictures that there are
    run(options(tmp_path, *arguments, "--survivals", "saved", "jpeg-50"), bench(tmp_path, more), "methods")
    assert len(more) == 6 and len(list((tmp_path / "out").rglob("*.png"))) == 6
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_targets_are_drawn_once_for_all_and_are_what_nobody_sees(tmp_path: Path) -> None:
    photos(tmp_path)
    made = bench(tmp_path)
    attacks = [Attack((name,), "pgd", targeted=True) for name in MODELS]
    ends = list(do(made, Work(attacks, ("near", "far")), made.drawn(3, ["far"])))
    for path in ends:
        name = made.name_of(path)
        targets = {made.journal[name, attack.key].target for attack in attacks}
        assert len(targets) == 1 and targets <= {"red", "green", "blue", "grey", *Colours.class_names}
        assert not targets & set(made.journal[name, CLEAN].said.values())


def test_a_clip_model_is_led_away_from_what_it_sees_among_others_that_a_recipe_has_room_for() -> None:
    labels = tiny_clip().labels
    said = captions_of(labels[5], labels, rng(0))
    named = said.split(" | ")
    assert named[0] == labels[5] and len(set(named)) == len(named) == 40 and set(named) <= set(labels)
    recipe = Attack(("tiny-clip",), "transferable").recipe(captions=said)
    assert (recipe.captions, recipe.classes) == (said, ())
    assert captions_of("cat", ("cat", "dog"), rng(0)) == "cat | dog"


def test_a_journal_puts_lines_together_and_outlives_a_power_cut(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add(Line(photo="a", attack="x", passes=20, linf=0.1, said={"one": "cat"}))
    journal.add(Line(photo="a", attack="x", said={"two": "dog"}))
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"photo": "a", "att')
    line = Journal(tmp_path / "journal.jsonl")["a", "x"]
    assert (line.passes, line.linf, line.said) == (20, 0.1, {"one": "cat", "two": "dog"})
    assert not Journal(tmp_path / "journal.jsonl")["b", "x"].passes


def test_photos_are_those_that_the_models_name_right(tmp_path: Path) -> None:
    for wordnet, values in (("n03445777", (0.2, 0.8, 0.9)), ("n01440764", (0.1, 0.9))):  # golf balls, tench
        (tmp_path / "photos" / wordnet).mkdir(parents=True)
        for value in values:
            save_png(torch.full((1, 3, 8, 8), value), tmp_path / "photos" / wordnet / f"{value}.png")
    made = Bench(tmp_path / "photos", tmp_path / "out", 1, lambda _name: Bright())
    found = made.drawn(3, ["bright"])
    assert {made.name_of(path) for path in found} == {"n03445777/0.8", "n03445777/0.9", "n01440764/0.1"}
    assert made.drawn(2, ["bright"]) == found[:2]
    with pytest.raises(StudioError, match="Only 3 photos"):
        made.drawn(4, ["bright"])


def row(method: str, *ones: int) -> Row:
    fooled = {("far", "saved"): tuple(map(bool, ones))}
    return Row(Attack(("near",), method), fooled, passes=20, seconds=1.5, linf=8, l2=3)


def test_rows_are_tested_photo_by_photo() -> None:
    first, second = row("layers", 1, 1, 1, 1, 1, 1, 0), row("pgd", 1, 0, 0, 0, 0, 0, 1)
    test = Paired.of(first, second, ("far", "saved"))
    assert (test.only_first, test.only_second) == (5, 1)
    assert test.p == pytest.approx(2 * (6 + 1) / 2**6)  # five or more of six
    assert str(test) == "+5 -1, p = 0.22" and str(Paired(20, 0)) == "+20 -0, p < 0.001"
    said = markdown([first, second], Work([first.attack, second.attack], ("far",)), "layers")
    assert "| layers | 86 % (49 to 97) | 20.0 | 1.5 | 3.0 |" in said
    assert "| pgd | +5 -1, p = 0.22 |" in said and said.count("+5") == 1


def test_a_rate_in_words() -> None:
    assert (shown(Rate(4, 8)), shown(Rate(0, 0))) == ("50 % (22 to 78)", "-")


def test_tables_name_methods_that_there_are() -> None:
    for table in TABLES.values():
        work = table.work(20)
        assert {attack.method for attack in work.attacks} <= {*METHODS, NOISE}
        assert table.against in table.methods and len({attack.key for attack in work.attacks}) == len(work.attacks)
    assert replace(TABLES["targeted"], levels=4).work(20).attacks[0].levels == 4
    assert all(name in listed() for name in (*TABLES, *METHODS, NOISE))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "--photos", ".", "--out", "x"], "There is no 'nothing'"),
        (["methods", "--photos", ".", "--out", "x", "--methods", "gentle"], "There is no 'gentle'"),
        (["methods", "--photos", "."], "Name a table"),
    ],
)
def test_bad_flags_are_refused(arguments: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=words):
        parse([str(tmp_path / "x") if argument == "x" else argument for argument in arguments])
