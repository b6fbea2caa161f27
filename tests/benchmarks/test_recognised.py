"""The benchmark of what is recognised, with models of colours: counts by hand, resumption, and what is refused."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.recognised.__main__ import (
    cells,
    draw_and_judge,
    markdown,
    parser,
    preset_of,
    refuse_drawers,
    save_sheet,
    subjects_of,
)
from benchmarks.recognised.judging import (
    Judge,
    Subject,
    Tally,
    judge_photos,
    photos_in,
    read_prompts,
    some,
)
from benchmarks.recognised.outcome import Picture
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from foundation.images.files import load_image
from generator.classes.labels import imagenet
from tests.generator.standins import NAMES, Colours, Words
from tests.generator.watched import Context
from tests.toy_models import Toys


class Says(torch.nn.Module):
    """A judge that ranks its classes as it is told, whatever it sees."""

    def __init__(self, *ranked: str) -> None:
        super().__init__()
        self.class_names = ranked

    def forward(self, images: Tensor) -> Tensor:
        return -torch.arange(len(self.class_names)).float().repeat(len(images), 1)


@pytest.mark.slow
def test_prompts_that_ship_are_known_to_imagenet() -> None:
    prompts = read_prompts()
    assert len(prompts) == len({prompt.told for prompt in prompts}) == 60
    for prompt in prompts:
        assert prompt.places(imagenet().labels), prompt
        unknown = [name for name in prompt.right if not Subject("", (name,)).places(imagenet().labels)]
        assert not unknown, prompt


@pytest.mark.parametrize("text", ["a frog", "= frog", "a frog =", "# nothing\n"])
def test_prompts_of_another_form_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(StudioError, match="write, for example, a frog = tree frog"):
        read_prompts(tmp_path / "p.txt")


def test_some_are_drawn_by_a_seed() -> None:
    all_ten = [Subject(str(number), ("x",)) for number in range(10)]
    assert some(all_ten, None, 0) == some(all_ten, 99, 0) == all_ten
    four = some(all_ten, 4, 1)
    assert four == some(all_ten, 4, 1) != some(all_ten, 4, 2) and len(set(four)) == 4
    assert four == sorted(four, key=all_ten.index)


def test_counts_by_hand() -> None:
    tally = Tally()
    for right, top in (({1}, [1, 2, 3, 4, 5]), ({3, 9}, [1, 2, 3, 4, 5]), ({7}, [1, 2, 3, 4, 5]), (set[int](), [1])):
        tally.add(frozenset(right), top)
    tally.miss(frozenset({1}))
    found = tally.to_json()
    assert (found["first"]["successes"], found["among_five"]["successes"], found["first"]["total"]) == (1, 2, 4)
    assert found["unknown_to_judge"] == 1
    low, high = found["first"]["ci95"]
    assert (low, high) == pytest.approx((0.0456, 0.6994), abs=1e-3)  # Wilson, 1 of 4


def test_who_draws_is_no_judge() -> None:
    refuse_drawers(["lite1"], ["lite0", "a+b"])
    for judge in ("lite0", "b"):
        with pytest.raises(StudioError, match=f"'{judge}' draws, so it is no judge"):
            refuse_drawers(["lite1", judge], ["lite0", "a+b"])


def test_presets_of_both_tasks() -> None:
    assert [preset_of("class", name) for name in ("fast", "quick", "balanced")] == ["quick", "quick", "balanced"]
    assert preset_of("text", "quick") == "fast"
    with pytest.raises(StudioError, match="There is no preset 'das' for the task 'class'"):
        preset_of("class", "das")


def test_models_that_draw_together_have_classes_in_common() -> None:
    sharp, robust = Says("tabby", "beagle", "truck", "xyzzy"), Says("cat", "dog", "truck")
    task, subjects = subjects_of({"sharp": sharp, "robust": robust}, [])
    assert task == "class" and [one.told for one in subjects] == ["tabby | cat", "beagle | dog", "truck"]
    for drawers in {"words": Words()}, {"words": Words(), "sharp": sharp}:  # who leads along draws prompts, too
        task, subjects = subjects_of(drawers, read_prompts())
        assert task == "text" and len(subjects) == len(read_prompts())


@pytest.fixture
def models() -> Catalogue:
    drawers = Toys({"colours": Colours(), "words": Words(vocabulary="a red blue")})
    judges = Toys({"yes": Colours(), "red-says": Says("red", "blue", "tabby"), "few": Says("xyzzy", "red")})
    return Catalogue([drawers, judges])


def options(tmp_path: Path, *argv: str) -> argparse.Namespace:
    (tmp_path / "prompts.txt").write_text("a red thing = red\na frog = green\n")
    small = ["--size", "16", "24", "--steps", "2", "--resolutions", "1..4", "--prompts", str(tmp_path / "prompts.txt")]
    return parser().parse_args(["--out", str(tmp_path / "out"), *small, *argv])


def test_it_draws_asks_and_goes_on(tmp_path: Path, models: Catalogue) -> None:
    asked = options(tmp_path, "--models", "colours", "words", "--judges", "red-says", "--unrelated", "few")
    first = draw_and_judge(Context(stop_at=8), asked, models)
    assert first.stopped and 0 < len(list((tmp_path / "out").rglob("*.png"))) < 10
    found = draw_and_judge(Context(), asked, models)
    written = found.to_json()
    assert list(written) == ["rows", "photos", "pictures", "failed", "stopped"]
    drawn = sorted(path.name for path in (tmp_path / "out/colours/balanced").glob("*.png"))
    assert drawn == [f"{name}-{seed}.png" for name in sorted(NAMES) for seed in (0, 1)]
    by_key = {(row["drawer"], row["judge"]): row for row in written["rows"]}
    row = by_key["colours", "red-says"]  # knows red and blue, and says red: 2 of 4 pictures; both are among five
    assert (row["first"]["successes"], row["first"]["total"], row["among_five"]["successes"]) == (2, 4, 4)
    assert row["unknown_to_judge"] == 4 and row["seconds"] > 0
    words = by_key["words", "red-says"]  # of "a frog" it knows no word: not drawn; the judge has no green either
    assert (words["first"]["successes"], words["first"]["total"], words["unknown_to_judge"]) == (2, 2, 2)
    few = by_key["colours", "few"]
    assert (few["first"]["successes"], few["among_five"]["successes"], few["first"]["total"]) == (0, 2, 2)
    again = draw_and_judge(Context(), asked, models)
    assert again.rows == found.rows and again.pictures == found.pictures
    assert list(row) == ["drawer", "preset", "judge", "seconds", "first", "among_five", "unknown_to_judge"]
    picture = written["pictures"][0]
    assert list(picture) == ["drawer", "preset", "of", "said", "file", "seconds", "ran_away"]
    assert picture["said"]["red-says"] == {"top": ["red", "blue", "tabby"], "right": picture["of"] == "red"}
    assert json.loads(json.dumps(written)) == written
    rows = cells(found.rows, found.photos)
    assert rows[1][:4] == ["colours", "balanced", "red-says", "2 of 4 (50%, 15% to 85%)"]
    assert markdown(rows).splitlines()[1] == "| --- | --- | --- | --- | --- | --- | --- |"
    save_sheet(found.pictures, ["red-says"], tmp_path / "sheet.png")
    assert load_image(tmp_path / "sheet.png").width == 8 + 10 * (128 + 8)


def test_what_nobody_could_draw_has_no_file() -> None:
    written = Picture("words", "balanced", "xyzzy", {}, None).to_json()
    assert written == {"drawer": "words", "preset": "balanced", "of": "xyzzy", "said": {}}


def test_photos_by_their_folder_and_by_their_name(tmp_path: Path) -> None:
    for folder, colour in (("red", "red"), ("n02123045", "blue"), ("xyzzy", "red")):
        (tmp_path / "folders" / folder).mkdir(parents=True)
        Image.new("RGB", (40, 30), colour).save(tmp_path / "folders" / folder / "a.png")
    found = photos_in(tmp_path / "folders", 100)
    assert [subject.told for _, subject in found] == ["tabby", "red", "xyzzy"]
    judge = Judge("j", Says("red", "tabby"))
    row = judge_photos(found, [judge], [8])[0].to_json()
    assert list(row) == ["side", "judge", "first", "among_five", "unknown_to_judge"]
    assert (row["first"]["successes"], row["first"]["total"], row["unknown_to_judge"]) == (1, 2, 1)
    (tmp_path / "files").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "files/n02123045_tabby.JPEG")
    assert [subject.told for _, subject in photos_in(tmp_path / "files", 100)] == ["tabby"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="has no photos in folders"):
        photos_in(tmp_path / "empty", 1)
