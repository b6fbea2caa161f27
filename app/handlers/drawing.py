"""Drawing the pictures of a job, here or by a worker of a cluster, with what is kept of it beside them.

Which of the two it was changes nothing about the files. What is found out about pictures that are there is another
matter, of `app.handlers.pictures`, and always done here.
"""

import io
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from app.handlers.changes import save_changes
from app.handlers.exploring_pictures import Frames
from app.handlers.layers import save_layers
from app.records.changes import Change
from foundation.cluster.cluster import Part
from foundation.cluster.moving import placed
from foundation.cluster.pool import Seat
from foundation.cluster.shards import PartContext, Shard, Shared
from foundation.files.text_files import read_json, write_bytes
from foundation.images.files import load_image, to_tensor
from foundation.jobs import JobContext
from foundation.progress import Progress
from foundation.protocols import JobContext as Reported
from generator.optimisers.loop import DivergedError, Step
from generator.priors.operators import Size
from generator.production.production import Outputs, produce_job
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureRecord
from generator.synthesis.models import Model
from generator.synthesis.synthesis import Synthesis

RESULT_NAME = "result.json"
OVERVIEW_NAME = "overview.png"
HURRY_PIXELS = 1 << 20
"""Of larger pictures, all together, nothing is found out but what their models see, once a job was stopped."""


@dataclass(frozen=True)
class Drawing:
    """What is to be drawn.

    Attributes:
        recipe: of it, with the revisions of its models.
        photo: height and width of the photo that it starts from; None for none.
        with_recipe: whether the pictures carry their recipe.
        watched: whether pictures on the way are kept.
    """

    recipe: Recipe
    photo: Size | None
    with_recipe: bool
    watched: bool

    def outputs(self, folder: Path) -> Outputs:
        """The files of it in a folder."""
        many = self.recipe.task == "text" and self.recipe.images > 1
        return Outputs(
            tuple(folder / f"image-{number}.png" for number in range(1, self.recipe.images + 1)),
            folder / RESULT_NAME,
            folder / OVERVIEW_NAME if many else None,
            with_recipe=self.with_recipe,
        )

    def is_hurried(self, context: Reported) -> bool:
        """Whether somebody waits for the end of a job whose pictures are saved, and so large that all else is long."""
        pixels = self.recipe.images * math.prod(self.photo or self.recipe.size)
        return context.stop_requested and pixels > HURRY_PIXELS

    def draw(
        self,
        context: Reported,
        folder: Path,
        models: Mapping[str, Model],
        pictures: Pictures,
        on_step: Callable[[], None] = lambda: None,
    ) -> "Drawn":
        """Draw it on the context's device into a folder. One that diverged after some good steps says so in its record.

        Raises:
            DivergedError: it diverged before there was anything.
        """
        outputs, frames = self.outputs(folder), Frames()
        made: list[Synthesis] = []

        def follow(step: Step) -> None:
            if self.watched:
                frames.add(step)
            on_step()

        def keep(synthesis: Synthesis) -> None:
            if self.is_hurried(context):
                return
            made.append(synthesis)
            save_layers(synthesis, folder)

        try:
            record = produce_job(
                context, self.recipe, models, outputs=outputs, pictures=pictures, on_step=follow, on_done=keep
            ).record
        except DivergedError:
            if not outputs.record.is_file():
                raise
            record = PictureRecord.read(read_json(outputs.record))
        return Drawn(record, frames, made[0] if made else None)

    def have_drawn(
        self, context: JobContext, seat: Seat, models: Mapping[str, Model], files: Mapping[str, bytes]
    ) -> "Drawn | None":
        """Have a worker draw it, and write its files into the job's folder; None if a stop came before there were any.

        `files` are those of the pictures that it starts from or is led by, by what they are. Raises StudioError.
        """
        found: list[DrawnElsewhere] = []

        def keep(part: Part[DrawnElsewhere]) -> None:
            found.append(part.get())

        def wait() -> None:
            context.progress(Progress(0, self.recipe.steps, "Waiting for a worker of the cluster"))

        shard = Shard("picture", lambda: DrawingPart(self, seat.share(models), files))
        seat.cluster.run(
            context, [shard], on_part=keep, on_told=lambda _number, now: context.progress(now), waiting=wait
        )
        return found[0].unpack(context.dir) if found else None


@dataclass(frozen=True)
class Drawn:
    """What was drawn.

    Attributes:
        record: of it.
        frames: pictures on the way, if it was watched.
        synthesis: what made it, as it was in the end; None where somebody was in a hurry, or it was made elsewhere.
        changes: of pictures of a photo, what changed, where that has been saved already.
    """

    record: PictureRecord
    frames: Frames
    synthesis: Synthesis | None = None
    changes: tuple[Change, ...] | None = None

    def saved_changes(self, drawing: Drawing, folder: Path, source: Tensor) -> tuple[Change, ...]:
        """What changed of a photo [1, 3, H, W], with the files of it in the folder."""
        if self.changes is not None:
            return self.changes
        return save_changes(folder, drawing.outputs(folder).images, source, self.synthesis)


@dataclass(frozen=True)
class DrawnElsewhere:
    """The same on its way back: the files, by their names, and the rest."""

    files: Mapping[str, bytes]
    frames: Frames
    changes: tuple[Change, ...] | None

    def unpack(self, folder: Path) -> Drawn:
        """Write the files into a folder, each whole, the record last. StudioError."""
        for name in sorted(self.files, key=lambda name: name == RESULT_NAME):
            write_bytes(folder / name, self.files[name])
        record = PictureRecord.read(read_json(folder / RESULT_NAME))
        return Drawn(record, self.frames, None, self.changes)


@dataclass(frozen=True)
class DrawingPart:
    """The whole drawing as what a worker does; see `Drawing.have_drawn`."""

    drawing: Drawing
    models: Shared[Mapping[str, Model]]
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __call__(self, context: PartContext) -> DrawnElsewhere:
        """Draw on the context's device, and return everything."""
        named, drawing = self.models.value, self.drawing
        models = {name: placed(named[name], context.device) for name in drawing.recipe.models}
        pictures = Pictures(**{name: to_tensor(load_image(io.BytesIO(data))) for name, data in self.files.items()})
        with tempfile.TemporaryDirectory(prefix="crossmax-drawing-") as scratch:
            folder = Path(scratch)
            drawn = drawing.draw(context, folder, models, pictures)
            changes = None
            if drawing.recipe.task == "attack" and pictures.source is not None and not drawing.is_hurried(context):
                changes = drawn.saved_changes(drawing, folder, pictures.source)
            files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        return DrawnElsewhere(files, drawn.frames, changes)
