import csv
import io
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.files import load_image, save_png, to_tensor
from generator.inputs.label_files import read_labels
from generator.inputs.photos import Photo, file_name, find_photos, fitting_photos, list_photos, passed_over
from generator.recipes.recipe import Recipe
from generator.transfer.attacking import attack_photos
from generator.transfer.batch import measure_cases, run_batch
from generator.transfer.report import COLUMNS, to_text
from generator.transfer.saved import cases_of
from tests.forking import Forking
from tests.generator.standins import Colours
from tests.generator.transfer.batches import measuring, plan_for, run, saved
from tests.generator.transfer.standins import RECIPE, Context, save_photos


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Photo, ...]:
    return list_photos(save_photos(tmp_path / "photos", (0, 2, 0))).photos


def test_a_batch_attacks_measures_and_reports(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    context = Context()
    found = run(tmp_path / "out", photos, context)
    assert found["made"] == 3 and not found["stopped"] and found["complete"]
    for photo in photos:
        picture = tmp_path / "out/colours" / f"{photo.name}.png"
        change = to_tensor(load_image(picture)) - to_tensor(load_image(photo.path))
        assert 0 < change.abs().max() <= 0.2 + 0.5 / 255
        assert Recipe.from_png(picture).classes == ("green",)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report == {name: value for name, value in found.items() if name not in ("stopped", "made", "asked")}
    (cell,) = [c for c in report["cells"] if (c["victim"], c["survival"]) == ("colours", "saved")]
    assert cell["rate"]["total"] == 3 == cell["rate"]["successes"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/rows.csv").read_text())))
    assert len(rows) == 3 * 2 * 2 and tuple(rows[0]) == COLUMNS
    assert rows[0]["target"] == "green" and rows[0]["outcome"] == "success" and float(rows[0]["ssim"]) < 1
    steps = [done for done, total, _ in context.told if total == 9]
    assert steps == sorted(steps) and steps[-1] == 9


def test_the_page_needs_nothing_else_and_escapes(tmp_path: Path) -> None:
    (name,) = save_photos(tmp_path / "photos", (0,))
    hostile = tmp_path / "photos" / "<img src=x onerror=alert(1)>.png"
    name.rename(hostile)
    found = list_photos([hostile], None)
    run(tmp_path / "out", found.photos)
    page = (tmp_path / "out/report.html").read_text()
    assert "<img src=x" not in page and "&lt;img src=x" in page
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert "data:image/jpeg;base64," in page and "1 of 1" in page
    report = json.loads((tmp_path / "out/report.json").read_text())
    shares = [f"{report['cells'][0][f'confidence_{when}']:.0%} {when}" for when in ("before", "after")]
    assert f"<small>confidence: {', '.join(shares)}</small>" in page
    assert len(list((tmp_path / "out/colours").glob("*.png"))) == 1


def test_a_second_run_does_nothing_again(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    run(tmp_path / "out", photos)
    before = saved(tmp_path / "out")
    found = run(tmp_path / "out", photos)
    assert (found["made"], found["asked"]) == (0, 0) and saved(tmp_path / "out") == before


@pytest.mark.parametrize("damage", ["picture", "record", "photo", "stopped"])
def test_what_is_damaged_or_changed_is_made_again(tmp_path: Path, photos: tuple[Photo, ...], damage: str) -> None:
    run(tmp_path / "out", photos)
    before = saved(tmp_path / "out")
    picture, record = tmp_path / "out/colours/p1.png", tmp_path / "out/colours/p1.json"
    if damage == "picture":
        picture.write_bytes(picture.read_bytes()[:200])
    elif damage == "record":
        record.unlink()
    elif damage == "stopped":
        record.write_text(json.dumps({**json.loads(record.read_text()), "stopped": True}))
    else:
        save_png((to_tensor(load_image(photos[1].path)) * 0.9), photos[1].path)
    found = run(tmp_path / "out", photos)
    assert found["made"] == 1
    assert (saved(tmp_path / "out") == before) == (damage != "photo")


def test_a_folder_holds_one_recipe_for_each_attack(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    run(tmp_path / "out", photos)
    models, out = {"colours": Colours()}, tmp_path / "out"
    other = plan_for(out, photos, colours=RECIPE.with_changes(seed=7))
    with pytest.raises(StudioError, match="by another recipe"):
        run_batch(Context(), other, models, measuring())
    more = plan_for(out, photos, colours=RECIPE, second=RECIPE.with_changes(seed=7))
    found = run_batch(Context(), more, models, measuring())[1]
    assert found["made"] == 3 and set(json.loads((out / "plan.json").read_text())["attacks"]) == {"colours", "second"}


def test_a_photo_that_fails_is_named_and_the_others_go_on(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    photos[1].path.write_bytes(b"broken")
    found = run(tmp_path / "out", photos)
    assert [entry["image"] for entry in found["failed"]] == ["p1"] and found["made"] == 2
    assert "p1 (colours)" in (tmp_path / "out/report.html").read_text()
    for photo in photos:
        photo.path.write_bytes(b"broken")
    with pytest.raises(StudioError, match="None of the 3 photos"):
        run(tmp_path / "new", photos)


def test_stopping_keeps_and_going_on_gives_the_same(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    run(tmp_path / "whole", photos)
    found = run(tmp_path / "out", photos, Context(stop_after=7))
    assert found["stopped"] and not found["complete"]
    assert run(tmp_path / "out", photos)["made"] == 2
    assert saved(tmp_path / "out") == saved(tmp_path / "whole")


KILLED = """
import os, signal, sys
from pathlib import Path
from generator.inputs.photos import list_photos, find_photos
from tests.generator.transfer.standins import Context
from tests.generator.transfer import batches
from tests.forking import Forking
from tests.generator.standins import Colours

class Dying(Colours):
    made = 0

    def __init__(self):
        super().__init__()
        self.limit = int(sys.argv[2 + Dying.made])  # first the surrogate is made, then the victim
        Dying.made += 1

    def forward(self, images):
        if len(self.batches) == self.limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)

folder = Path(sys.argv[1])
photos = list_photos(find_photos([folder / "photos"])).photos
batches.Colours = Dying
batches.run(folder / "out", photos)
"""


# A photo takes seven passes of the surrogate (two before, two after, as its answers do not vary, and three steps): the
# eleventh is in the steps of the second photo.
@pytest.mark.slow
@pytest.mark.parametrize(("passes", "made"), [((10, 999), 1), ((999, 9), 3)], ids=["attacking", "measuring"])
def test_killed_at_any_moment_it_goes_on(
    forking: Forking, tmp_path: Path, photos: tuple[Photo, ...], passes: tuple[int, int], made: int
) -> None:
    forking.need("generator.transfer.batch", "generator.production.production")
    program = forking.start(KILLED, str(tmp_path), *map(str, passes))
    with program.stdout:
        assert forking.wait(program.number) == -signal.SIGKILL
    assert len(list((tmp_path / "out/colours").glob("*.json"))) == made
    assert (tmp_path / "out/answers.jsonl").exists() == (made == 3)
    assert not (tmp_path / "out/report.json").exists()
    (tmp_path / "out/colours/.0123456789abcdef.tmp").write_bytes(b"half a picture")
    assert run(tmp_path / "out", photos)["made"] == 3 - made
    run(tmp_path / "whole", photos)
    assert saved(tmp_path / "out") == saved(tmp_path / "whole")


def test_label_files_set_targets_and_denominators(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", (0, 2, 0, 0))
    (tmp_path / "l.csv").write_text("ImageId,TrueLabel,TargetClass\np0,1,3\np1,1,2\np2,1,1\n")
    found = list_photos(paths, read_labels(tmp_path / "l.csv"), Colours.class_names)
    assert [(p.name, p.label, p.target) for p in found.photos] == [("p0", "red", "blue"), ("p1", "red", "green")]
    assert set(found.left_out) == {"p2", "p3"} and "own class" in found.left_out["p2"]
    report = run_batch(
        Context(), plan_for(tmp_path / "out", found.photos), {"colours": Colours()}, measuring(left_out=found.left_out)
    )[1]
    assert Recipe.from_png(tmp_path / "out/colours/p0.png").classes == ("blue",)
    cell = report["cells"][0]
    assert cell["left_out"] == {"wrong before": 1} and cell["rate"]["total"] == 1 and cell["of_all"]["total"] == 2
    assert report["left_out"] == found.left_out


def test_pictures_that_are_there_are_measured_as_they_were_made(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    found = run(tmp_path / "out", photos)
    attacked = find_photos([tmp_path / "out/colours"])
    cases = cases_of(photos, attacked, {"colours": Colours.class_names})
    report, again = measure_cases(Context(), cases, tmp_path / "again", measuring())
    assert [c | {"attack": ""} for c in again["cells"]] == [c | {"attack": ""} for c in found["cells"]]
    assert to_text(report.cells).count("\n") == 4 and "3 of 3 (100%" in to_text(report.cells)
    bare = tmp_path / "bare" / "p1.png"
    bare.parent.mkdir()
    save_png(load_image(attacked[1]), bare)
    (case,) = cases_of(photos, [bare], {})
    assert (case.image, case.attack, case.question.targets) == ("p1", "bare", ())
    with pytest.raises(StudioError, match="give one of them"):
        cases_of(photos, [attacked[0], attacked[0]], {})
    with pytest.raises(StudioError, match="No photo belongs"):
        cases_of(photos[1:], [attacked[0]], {})


def test_names_of_photos_and_files(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    found = list_photos(find_photos([tmp_path])).photos
    assert [photo.name for photo in found] == ["a.jpg", "a.png", "b"]
    assert file_name("colours+other") == "colours+other"
    names = {file_name(name) for name in ("a/b", "a:b", "a_b", "../x", "x" * 300)}
    assert len(names) == 5 and not any("/" in name or name.startswith(".") or len(name) > 140 for name in names)
    with pytest.raises(StudioError, match="no photo or folder"):
        find_photos([tmp_path / "nothing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="no photo in"):
        find_photos([tmp_path / "empty"])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.text("漢é.x/ \udce9", max_size=300))
@example(82 * "漢" + " x")
def test_every_name_has_room_for_an_ending(name: str) -> None:
    """F24: file systems count bytes, not characters."""
    assert 0 < len(os.fsencode(file_name(name) + ".json")) <= 255
    assert not set(file_name(name)) & set("/\\\0:") and not file_name(name).startswith(".")


def test_names_that_worked_before_are_kept() -> None:
    """F24: a folder that was begun is gone on with."""
    assert [file_name(name) for name in ("x" * 120, "漢" * 83)] == ["x" * 120, "漢" * 83]
    assert file_name("漢" * 84) != file_name("漢" * 85)


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    """F12: a name that is not UTF-8 is attacked, measured and reported like any other."""
    paths = save_photos(tmp_path / "photos")
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "photos") + b"/caf\xe9.png"))
    try:
        paths[0].rename(odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    found = run(tmp_path / "out", list_photos(find_photos([tmp_path / "photos"])).photos)
    assert found["made"] == 2 and [image["image"] for image in found["images"]] == ["caf\\xe9", "p1"]
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    assert Path(tmp_path / "out" / report["images"][0]["photo"]).resolve() == odd.resolve()
    assert "caf\\xe9" in (tmp_path / "out/report.html").read_text("utf-8")
    assert "caf\\xe9" in (tmp_path / "out/rows.csv").read_text("utf-8")
    assert run(tmp_path / "out", list_photos(find_photos([tmp_path / "photos"])).photos)["made"] == 0


def test_photos_of_the_same_name_are_both_named(tmp_path: Path) -> None:
    """F30: which they are."""
    paths = [tmp_path / "a" / "p.png", tmp_path / "b" / "P.png"]
    with pytest.raises(StudioError, match=r"/a/p.png' and '.*/b/P.png' have the same name"):
        list_photos(paths)


def test_photos_too_large_are_left_out_before_the_work(tmp_path: Path) -> None:
    """F25: by their headers, with both sizes."""
    paths = save_photos(tmp_path / "photos", (0,))
    Image.new("RGB", (5000, 30)).save(tmp_path / "photos/wide.png")
    found = fitting_photos(list_photos([*paths, tmp_path / "photos/wide.png"]))
    assert [photo.name for photo in found.photos] == ["p0"]
    assert "5000 x 30 pixels, and at most 4096 a side" in found.left_out["wide"]
    with pytest.raises(StudioError, match=r"None of the photos .* 5000 x 30"):
        fitting_photos(list_photos([tmp_path / "photos/wide.png"]))


def test_a_folder_of_an_older_version_is_gone_on_with_as_it_was(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    """F18: by recipes of that version, so that nothing is made again, and nothing comes out otherwise."""
    old = plan_for(tmp_path / "out", photos, colours=RECIPE.with_changes(version=3))
    run_batch(Context(), old, {"colours": Colours()}, measuring())
    before = saved(tmp_path / "out")
    found = run(tmp_path / "out", photos)
    assert found["made"] == 0 and found["recipes"]["colours"]["version"] == 3 and saved(tmp_path / "out") == before


def test_several_images_are_refused(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    with pytest.raises(StudioError, match="--images at 1"):
        plan_for(tmp_path, photos, many=RECIPE.with_changes(images=2))


def test_one_failing_attack_among_models_is_no_crash(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    class Sick(Colours):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * torch.nan

    attacked = attack_photos(Context(), plan_for(tmp_path / "out", photos), {"colours": Sick()})
    assert len(attacked.failed) == 3 and not attacked.cases


def test_hidden_files_are_no_photos_unless_they_are_named(tmp_path: Path) -> None:
    """F7: what macOS keeps beside a photo is passed over in a folder; what is no picture is said."""
    save_photos(tmp_path / "photos", (0,))
    [photo] = find_photos([tmp_path / "photos"])
    hidden = photo.with_name(f"._{photo.name}")
    hidden.write_bytes(photo.read_bytes())
    (tmp_path / "photos" / "notes.txt").touch()
    assert find_photos([tmp_path / "photos"]) == (photo,)
    assert find_photos([hidden, tmp_path / "photos"]) == (hidden, photo)
    [note] = passed_over([tmp_path / "photos", photo])
    assert note.startswith("1 file in") and ".txt" in note
