"""Pictures that workers of a cluster make: the same files as made here, whatever becomes of the workers."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from foundation.cluster.cluster import Cluster
from foundation.errors import StudioError
from generator.grids.axis import parse_axis
from generator.grids.grid import Grid
from generator.grids.running import make_grid
from generator.inputs.photos import Photo, list_photos
from generator.recipes.recipe import Recipe
from generator.transfer.attacking import attack_photos
from tests.generator.standins import BreaksAfter, Colours
from tests.generator.transfer.batches import plan_for
from tests.generator.transfer.standins import RECIPE, save_photos
from tests.generator.watched import Context
from tests.toy_cluster import ThreadBackend

CLASS = Recipe(models=("colours",), classes=("red",), size=(16, 24), resolutions="1..4", steps=3)
MODELS = {"colours": Colours()}


def files(folder: Path) -> dict[str, Any]:
    """Pictures byte for byte, and records without their seconds."""
    pictures: dict[str, Any] = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}
    records = {path: json.loads(path.read_text()) for path in folder.rglob("*.json")}
    timeless = {path: {**record, "seconds": 0} for path, record in records.items()}
    return pictures | {str(path.relative_to(folder)): record for path, record in timeless.items()}


def grid(folder: Path, backend: ThreadBackend | None, context: Context | None = None, models=MODELS):
    cells = Grid(CLASS, parse_axis("class=red; green; blue", "class"), parse_axis("seed=1,2", "class"))

    def load(_recipe: Recipe):
        return models, ("",)

    if backend is None:
        return make_grid(context or Context(), cells, folder, load)
    with Cluster(backend) as cluster:
        return make_grid(context or Context(), cells, folder, load, cluster=cluster)


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Photo, ...]:
    return list_photos(save_photos(tmp_path / "photos", (0, 2, 0, 1))).photos


def attack(folder: Path, photos: tuple[Photo, ...], backend: ThreadBackend | None, context: Context | None = None):
    plan = plan_for(folder, photos, colours=RECIPE, again=RECIPE.with_changes(seed=1))
    if backend is None:
        return attack_photos(context or Context(), plan, MODELS)
    with Cluster(backend) as cluster:
        return attack_photos(context or Context(), plan, MODELS, cluster)


def test_a_grid_is_the_same_and_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    here, _ = grid(tmp_path / "here", None)
    apart, _ = grid(tmp_path / "apart", ThreadBackend(3))
    assert (here.drawn, apart.drawn, apart.stopped) == (6, 6, False)
    assert files(tmp_path / "apart") == files(tmp_path / "here")
    backend = ThreadBackend(3)
    again, _ = grid(tmp_path / "apart", backend)
    assert (again.drawn, again.there, backend.hired) == (0, 6, [])


def test_attacks_are_the_same_in_the_order_of_the_photos(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    here = attack(tmp_path / "here", photos, None)
    context = Context()
    apart = attack(tmp_path / "apart", photos, ThreadBackend(3), context)
    assert [(case.attack, case.image, case.question) for case in apart.cases] == [
        (case.attack, case.image, case.question) for case in here.cases
    ]
    assert (apart.made, apart.stopped, apart.failed) == (8, False, {})
    assert files(tmp_path / "apart") == files(tmp_path / "here")
    counted = [done for done, total, _ in context.reports if total == 24]
    assert counted == sorted(counted) and counted[-1] == 24
    assert attack(tmp_path / "apart", photos, ThreadBackend(1)).made == 0


def test_workers_that_die_change_nothing(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    attack(tmp_path / "here", photos, None)
    rng, killed = random.Random(3), []
    backend = ThreadBackend(3)

    class Killing(Context):
        def progress(self, now, /) -> None:
            super().progress(now)
            busy = [handle for handle in backend.alive if handle.begun]
            if busy and len(killed) < 4 and rng.random() < 0.3:
                killed.append(rng.choice(busy))
                killed[-1].dead = True

    assert attack(tmp_path / "apart", photos, backend, Killing()).made == 8
    assert killed
    assert files(tmp_path / "apart") == files(tmp_path / "here")


def test_a_photo_that_cannot_be_attacked_is_named_and_the_others_go_on(
    tmp_path: Path, photos: tuple[Photo, ...]
) -> None:
    photos[1].path.write_bytes(b"no picture")
    here, apart = (attack(tmp_path / name, photos, backend) for name, backend in (("a", None), ("b", ThreadBackend(2))))
    assert here.failed == apart.failed
    assert {photo for _, photo in apart.failed} == {photos[1].name}
    assert [case.image for case in apart.cases] == [case.image for case in here.cases]


def test_a_photo_that_goes_while_others_are_attacked_is_named(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    class Removing(Context):
        def progress(self, now, /) -> None:
            super().progress(now)
            if now.total:  # all have been looked at
                photos[3].path.unlink(missing_ok=True)

    found = attack(tmp_path / "out", photos, ThreadBackend(1), Removing())
    assert found.made == 6
    assert {name for _, name in found.failed} == {photos[3].name}
    assert all("cannot be read" in why for why in found.failed.values())


def test_a_stop_keeps_what_there_is_and_it_goes_on(tmp_path: Path, photos: tuple[Photo, ...]) -> None:
    attack(tmp_path / "here", photos, None)
    stops = 0
    for turn in range(40):
        found = attack(tmp_path / "apart", photos, ThreadBackend(2), Context(stop_at=10 + 2 * turn))
        if not found.stopped:
            break
        stops += 1
    assert stops >= 1 and not found.stopped
    assert files(tmp_path / "apart") == files(tmp_path / "here")


def test_what_runs_off_is_kept_as_it_was_and_told(tmp_path: Path) -> None:
    broken = {"colours": BreaksAfter(2)}
    series, _ = grid(tmp_path / "apart", ThreadBackend(1), models=broken)
    assert len(series.failed) >= 1
    assert all("numbers" in why or "diverge" in why.lower() for why in series.failed.values()), series.failed


def test_a_refusal_ends_a_series(tmp_path: Path) -> None:
    class Refusing(Colours):
        def __call__(self, images):
            if images.requires_grad:
                raise StudioError("this network wants none of it")
            return super().__call__(images)

    with pytest.raises(StudioError, match="none of it"):
        grid(tmp_path, ThreadBackend(2), models={"colours": Refusing()})
