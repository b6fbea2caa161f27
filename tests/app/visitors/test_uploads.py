"""Pictures that visitors bring: whose they are, how much there may be, and when they go."""

import json
import os
import threading
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest
from PIL import Image

from app.visitors.upload_files import brought
from app.visitors.uploads import Kept, Uploads
from foundation.errors import StudioError
from foundation.files.room import check_free
from foundation.images.files import Decoded, load_image, pixel_digest, save_png
from foundation.jobs import JobRequest, run_foreground
from foundation.jobs.retention import digests_in
from foundation.limits import DAY_SECONDS, Limits
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe, RecipeError
from tests.app.ui.text_form import text_inputs
from tests.browser.standins import StandInMeasurements, make_studio

ANNA, BEN = "a" * 32, "b" * 32
PHOTO = Image.new("RGB", (30, 20), (150, 120, 110))
PATHS = ["../jobs/x/source", "secret/private", "/etc/passwd", "x" * 64, "A" * 64, "0" * 63, "0" * 64 + "\n", "漢" * 128]


@pytest.mark.parametrize("field", ["source", "target", "style", "mask"])
@pytest.mark.parametrize("value", PATHS)
def test_a_recipe_names_pictures_by_digests_only(field: str, value: str) -> None:
    """S1: no field of a recipe, from wherever it comes, holds anything but a digest or nothing."""
    fields = json.loads(from_preset("text", prompt="a frog").to_json()) | {field: value}
    if value.strip() != value and Recipe(**{**fields, field: value.strip()}):
        pytest.skip("blanks round a text are no part of it")
    with pytest.raises(RecipeError, match=f"{field} must be made of hexadecimal digits"):
        Recipe.parse_json(json.dumps(fields))
    assert getattr(Recipe(**{**fields, field: "0" * 64}), field) == "0" * 64


def test_a_picture_is_its_owners_alone(tmp_path) -> None:
    """S3: who knows the digest of somebody else's picture has nothing by it."""
    uploads = Uploads(tmp_path / "uploads")
    kept = uploads.keep(PHOTO, ANNA)
    assert kept == Kept(ANNA, pixel_digest(PHOTO)) and uploads.size(kept) == (30, 20)
    assert load_image(uploads.find(kept.digest, ANNA)).tobytes() == PHOTO.tobytes()
    assert uploads.has(kept.digest, ANNA) and not uploads.has(kept.digest, BEN)
    with pytest.raises(StudioError, match="bring it again"):
        uploads.find(kept.digest, BEN)
    uploads.keep(PHOTO, BEN)
    uploads.remove(ANNA, [kept.digest, "../x"])
    assert uploads.has(kept.digest, BEN) and not uploads.has(kept.digest, ANNA)
    uploads.clear(BEN)
    assert not uploads.has(kept.digest, BEN)


@pytest.mark.parametrize("digest", [*PATHS, ""])
def test_what_is_no_digest_becomes_no_path(tmp_path, digest: str) -> None:
    """S1: a file that a digest would lead to, were it taken for a part of a path, is not found."""
    uploads = Uploads(tmp_path / "uploads")
    uploads.keep(PHOTO, ANNA)
    place = next((tmp_path / "uploads").iterdir())
    (place / "secret").mkdir()
    save_png(PHOTO, place / "secret" / "private.png")
    with pytest.raises(StudioError, match="bring it again"):
        uploads.find(digest, ANNA)


def test_files_are_for_nobody_else_on_the_machine(tmp_path) -> None:
    """S15: neither the folders nor the pictures can be read by other accounts."""
    uploads = Uploads(tmp_path / "uploads")
    path = uploads.find(uploads.keep(PHOTO, ANNA).digest, ANNA)
    assert [oct(place.stat().st_mode & 0o777) for place in (path, path.parent, path.parent.parent)] == [
        "0o600",
        "0o700",
        "0o700",
    ]


def test_there_is_a_quota_for_each_visitor_and_for_all(tmp_path, monkeypatch) -> None:
    """S11: a full quota, or a disk that is nearly full, is a sentence, and nothing is written."""
    size = len(Uploads(tmp_path / "a").find(Uploads(tmp_path / "a").keep(PHOTO, ANNA).digest, ANNA).read_bytes())
    uploads = Uploads(tmp_path / "b", Limits(kept_bytes_per_visitor=size, kept_bytes=size + 1))
    other, third = Image.new("RGB", (30, 20)), Image.new("RGB", (20, 30))
    kept = uploads.keep(PHOTO, ANNA)
    assert uploads.keep(PHOTO, ANNA) == kept  # it is there already
    with pytest.raises(StudioError, match="kept for one visitor"):
        uploads.keep(other, ANNA)
    uploads.keep(other, BEN)
    with pytest.raises(StudioError, match="as many pictures as it may"):
        uploads.keep(third, "c" * 32)
    uploads.remove(ANNA, [kept.digest])
    uploads.keep(third, "c" * 32)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(10**12, 0, 10**9 - 1))
    with pytest.raises(StudioError, match="Less than 1 GB of the disk"):
        Uploads(tmp_path / "c").keep(PHOTO, ANNA)
    with pytest.raises(StudioError, match="Less than 1 GB"):
        check_free(tmp_path / "not" / "there", 10**9)
    assert not (tmp_path / "c").exists()


def test_pictures_that_no_job_needs_go_after_some_days(tmp_path) -> None:
    """S3, S11: by the disk, not by a list in memory; a picture of a job stays."""
    uploads = Uploads(tmp_path / "uploads")
    old, needed, new = (uploads.keep(Image.new("RGB", (9, 8), (n, 0, 0)), ANNA).digest for n in range(3))
    now = time.time()
    for digest in (old, needed):
        os.utime(uploads.find(digest, ANNA), (now - 8 * DAY_SECONDS,) * 2)
    Uploads(tmp_path / "uploads").sweep({ANNA: {needed}}, now)
    assert [uploads.has(digest, ANNA) for digest in (old, needed, new)] == [False, True, True]
    Uploads(tmp_path / "uploads").sweep({}, now + 8 * DAY_SECONDS)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_pictures_of_older_versions_go_to_whom_they_belong(tmp_path) -> None:
    """S3: what was kept for nobody is given to those whose jobs name it, and is otherwise deleted."""
    root = tmp_path / "uploads"
    root.mkdir()
    mine, nobodys = pixel_digest(PHOTO), "0" * 64
    for digest in (mine, nobodys):
        save_png(PHOTO, root / f"{digest}.png")
    uploads = Uploads(root)
    uploads.sweep({ANNA: {mine}})
    assert uploads.has(mine, ANNA) and [path.is_dir() for path in root.iterdir()] == [True]


def test_digests_are_found_anywhere_in_parameters() -> None:
    one, two, three = "1" * 64, "2" * 64, "3" * 64
    params = {"recipe": {"source": one, "steps": 3}, "folder": {"photos": [{"digest": two}]}, "images": [[three]]}
    assert digests_in({**params, "x": ["no", "4" * 63, None]}) == {one, two, three}


def test_an_original_goes_once_it_was_read_and_stays_if_it_is_another(tmp_path) -> None:
    """S11: EXIF and all, whatever came of it; but not what somebody else brought under the same name meanwhile."""
    path = tmp_path / "own" / "photo.png"
    path.parent.mkdir()
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="unreadable"), brought(path):
        raise ValueError("unreadable")
    assert not path.parent.exists()
    path.parent.mkdir()
    path.write_bytes(b"x")
    with brought(path):
        (tmp_path / "again").write_bytes(b"x")
        (tmp_path / "again").replace(path)
    assert path.exists()
    with brought(tmp_path / "missing"):
        pass


def test_only_some_files_are_decoded_at_a_time(tmp_path, monkeypatch) -> None:
    """S9: ten visitors bring a picture at once, and two of these are being read."""
    running, most, lock, go = [], [], threading.Lock(), threading.Event()

    def slow(path):
        with lock:
            running.append(path)
            most.append(len(running))
        go.wait(10)
        with lock:
            running.remove(path)
        return Decoded(PHOTO)

    monkeypatch.setattr("app.visitors.uploads.load_noted", slow)
    uploads = Uploads(tmp_path)
    threads = [threading.Thread(target=uploads.bring, args=(tmp_path / str(n), ANNA)) for n in range(10)]
    for thread in threads:
        thread.start()
    while len(most) < 2:
        time.sleep(0.01)
    time.sleep(0.05)
    go.set()
    for thread in threads:
        thread.join(10)
    assert max(most) == 2 and len(most) == 10


def test_jobs_take_pictures_of_their_owner(tmp_path) -> None:
    """S3: a job knows whose it is."""
    seen = []
    run_foreground(JobRequest("x", {}, owner=ANNA), {"x": lambda context: seen.append(context.owner) or {}}, tmp_path)
    assert seen == [ANNA]


def test_a_page_shows_a_visitor_their_own_pictures_only(tmp_path) -> None:
    """S1, S3: opening a PNG fills in what its opener brought, and asks for the rest."""
    studio = make_studio(SimpleNamespace(), tmp_path, StandInMeasurements())
    inputs = text_inputs(studio)
    digest = studio.uploads.keep(PHOTO, ANNA).digest
    for field, what in [
        ("source", "the photo to start from"),
        ("target", "the target picture"),
        ("style", "the style picture"),
    ]:
        recipe = from_preset("text", prompt="a frog", **{field: digest})
        assert inputs.fill(recipe, ANNA)[1] == []
        updates, missing = inputs.fill(recipe, BEN)
        assert missing == [what] and "media/" not in str(updates)
    masked = from_preset("text", prompt="a frog", source=digest, mask=digest)
    studio.uploads.keep(Image.new("RGB", (30, 20)), BEN)
    assert inputs.fill(masked, ANNA)[1] == [] and inputs.fill(masked, BEN)[1] == ["the photo to start from"]
