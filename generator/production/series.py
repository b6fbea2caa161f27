"""Many pictures in one folder, drawn one after another or, by a cluster, side by side.

What lies there already is passed over, a stop loses no step.

A picture counts as there if its PNG carries the recipe that is asked for, with all steps; one that was stopped is drawn
again. A picture of another recipe is not overwritten: it is refused before anything is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from foundation.cluster.cluster import Cluster, Part
from foundation.cluster.counting import Count
from foundation.cluster.shards import Shard
from foundation.errors import StudioError
from foundation.files.places import is_there
from foundation.files.text_files import FileError, read_json, shown
from foundation.images.animation import contact_sheet
from foundation.images.files import ImageError, load_image, save_png, to_tensor
from foundation.progress import Progress, Unit
from foundation.protocols import JobContext
from foundation.record import RecordError
from generator.optimisers.loop import DivergedError, Step
from generator.production.parts import PictureFiles, PicturePart, Spread
from generator.production.production import Outputs, preview_of, produce
from generator.recipes.completion import fill_in
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe, RecipeError
from generator.records.pictures import PictureRecord
from generator.synthesis.leading import led_fields
from generator.synthesis.models import Model

MOST_TILE = 128
"""The width of a picture on a sheet, at most, in pixels."""
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Piece:
    """A picture to be drawn: its recipe, of one image, the PNG that it goes to, and what people call it.

    `pictures` are those that it starts from or is led by; `with_recipe` says whether the PNG carries its recipe: the
    record always does.
    """

    path: Path
    recipe: Recipe
    title: str
    pictures: Pictures = field(default_factory=Pictures)
    with_recipe: bool = True

    @property
    def record_path(self) -> Path:
        """The JSON file beside it."""
        return self.path.with_suffix(".json")

    def is_done(self) -> bool:
        """Whether the picture lies there, whole. StudioError if another one does."""
        if not is_there(self.path):
            return False
        try:
            found = Recipe.from_png(self.path) if self.with_recipe else self.record().recipe
        except (RecipeError, ImageError, FileError, RecordError) as error:
            raise StudioError(f"'{shown(self.path)}' is in the way: {error} Choose another folder.") from error
        wanted = fill_in(self.recipe, self.pictures)
        left_out = {"seed", "redraw"} if wanted.redraw else set()  # those that it was drawn anew with
        differing = _differing(found, wanted) - left_out - led_fields(found, wanted)
        if differing == {"steps"} and found.steps < wanted.steps:
            return False
        if differing:
            raise StudioError(
                f"'{shown(self.path)}' was made by another recipe (its {', '.join(sorted(differing))}): choose another "
                "folder, or remove it."
            )
        return is_there(self.record_path)

    def record(self) -> PictureRecord:
        """What the JSON file beside the picture says. StudioError for one that cannot be read."""
        return PictureRecord.read(read_json(self.record_path))


def _differing(one: Recipe, other: Recipe) -> set[str]:
    first, second = one.model_dump(), other.model_dump()
    return {name for name in first if first[name] != second[name]}


@dataclass
class Series:
    """What became of a series.

    Attributes:
        drawn: how many pictures were drawn now.
        there: how many were there before.
        failed: sentences on those that could not be drawn, by their titles.
        stopped: whether it ended early.
    """

    drawn: int = 0
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def draw_series(
    context: JobContext,
    pieces: Sequence[Piece],
    load: Callable[[Piece], Mapping[str, Model]],
    *,
    unit: Unit = "steps",
    on_piece: Callable[[Piece], None] = lambda _piece: None,
    cluster: Cluster | None = None,
) -> Series:
    """Draw the pictures that are not there yet, as one job whose progress counts the steps of all of them.

    `load` gives the models of a piece, and is asked only for those that are drawn; `on_piece` hears of each that is
    saved. What is counted is told as `unit`: "items" where words say more than a number of steps. One that diverges is
    kept as it was before, and told; a stop ends within a step, and keeps what there is. With a `cluster` its workers
    draw, and the pictures are the same.
    """
    left = [piece for piece in pieces if not piece.is_done()]
    series = Series(there=len(pieces) - len(left))
    if cluster is not None:
        _draw_apart(context, left, load, series, cluster, unit, on_piece)
        return series
    total, done = sum(piece.recipe.steps for piece in left), 0
    for number, piece in enumerate(left, start=1):
        words = f"{number} of {len(left)}, {piece.title}"

        def report(step: Step, before: int = done, words: str = words) -> None:
            now = Progress(before + step.index, total, words, unit=unit, preview=lambda: preview_of(step.shown()))
            context.progress(now)

        context.progress(Progress(done, total, words, unit=unit))
        if context.stop_requested:
            series.stopped = True
            break
        try:
            series.stopped = not _draw(context, piece, load(piece), report)
        except DivergedError as error:
            series.failed[piece.title] = str(error)
        else:
            series.drawn += not series.stopped
        if is_there(piece.path):
            on_piece(piece)
        done += piece.recipe.steps
        if series.stopped:
            break
    return series


def _draw_apart(
    context: JobContext,
    left: Sequence[Piece],
    load: Callable[[Piece], Mapping[str, Model]],
    series: Series,
    cluster: Cluster,
    unit: Unit,
    on_piece: Callable[[Piece], None],
) -> None:
    """Have a cluster draw what is left, and add to the series what comes back."""
    models = Spread(cluster)
    shards = [
        Shard(
            piece.title,
            partial(
                PicturePart,
                piece.recipe,
                models.those_of(load(piece), piece.recipe),
                piece.path.name,
                models.shared(piece.pictures),
                with_recipe=piece.with_recipe,
            ),
        )
        for piece in left
    ]
    count = Count(context, [piece.recipe.steps for piece in left], "Drawing", unit)

    def keep(part: Part[PictureFiles]) -> None:
        piece, files = left[part.number], part.get()
        files.save(Outputs((piece.path,), piece.record_path))
        if files.diverged:
            series.failed[piece.title] = files.diverged
        else:
            series.drawn += not files.stopped
            series.stopped |= files.stopped
        if is_there(piece.path):
            on_piece(piece)
        count.end(part.number)

    done = cluster.run(context, shards, on_part=keep, on_told=count.tell, waiting=count.wait)
    series.stopped |= not done


def _draw(context: JobContext, piece: Piece, models: Mapping[str, Model], on_step: Callable[[Step], None]) -> bool:
    """Make one picture; whether it took all its steps."""
    result = produce(
        piece.recipe,
        models,
        outputs=Outputs((piece.path,), piece.record_path, with_recipe=piece.with_recipe),
        pictures=piece.pictures,
        device=context.device,
        on_step=on_step,
        should_stop=lambda: context.stop_requested,
    )
    return not result.stopped


def save_sheet(
    pieces: Sequence[Piece], captions: Sequence[str], path: Path, *, columns: int, width: int = MOST_TILE
) -> None:
    """Save one picture of those pieces whose files are there, each scaled to `width` pixels, with its caption below."""
    there = [(piece, caption) for piece, caption in zip(pieces, captions, strict=True) if is_there(piece.path)]
    images = [to_tensor(load_image(piece.path).resize((width, width))) for piece, _ in there]
    save_png(contact_sheet(images, [caption for _, caption in there], columns=columns), path)


def file_name(text: str) -> str:
    """A text as a part of a file name: its letters and digits, with hyphens between."""
    kept = "".join(c if c.isalnum() else "-" for c in text)
    return "-".join(part for part in kept.split("-") if part)[:_LONGEST_NAME].strip("-") or "picture"
