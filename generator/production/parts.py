"""One picture as a part of a job that a worker of a cluster does: the files come back, and are written here."""

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from foundation.cluster.cluster import Cluster
from foundation.cluster.moving import placed
from foundation.cluster.shards import Here, PartContext, Shared
from foundation.files.text_files import write_bytes
from foundation.images.files import load_image, to_tensor
from generator.optimisers.loop import DivergedError
from generator.production.production import Outputs, produce_job
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model


@dataclass(frozen=True)
class PictureFiles:
    """What a worker made.

    Attributes:
        image, record: the files' bytes; None where there are none.
        stopped: whether it ended before all steps were taken.
        diverged: why it ended, if what it drew ran off to no numbers; what is there then was good.
    """

    image: bytes | None
    record: bytes | None
    stopped: bool = False
    diverged: str = ""

    def save(self, outputs: Outputs) -> None:
        """Write the files that there are to where they belong, each whole, the record last. StudioError."""
        outputs.record.parent.mkdir(parents=True, exist_ok=True)
        for path, data in ((outputs.images[0], self.image), (outputs.record, self.record)):
            if data is not None:
                write_bytes(path, data)


@dataclass(frozen=True)
class PicturePart:
    """Makes the picture of a recipe of one image.

    Attributes:
        recipe: of it.
        models: by the recipe's names.
        pictures: that the recipe refers to.
        photo: the bytes of the file that the recipe starts from, in place of `pictures.source`; b"" for none.
        name: what the file will be called, which the record says; with the ending .png.
        with_recipe: whether the picture carries its recipe.
    """

    recipe: Recipe
    models: Shared[Mapping[str, Model]]
    name: str
    pictures: Shared[Pictures] = field(default_factory=lambda: Here(NO_PICTURES))
    photo: bytes = b""
    with_recipe: bool = True

    def __call__(self, context: PartContext) -> PictureFiles:
        """Make it on the context's device, and return its files."""
        named = self.models.value
        models = {name: placed(named[name], context.device) for name in self.recipe.models}
        with tempfile.TemporaryDirectory(prefix="crossmax-part-") as scratch:
            picture = Path(scratch) / self.name
            outputs = Outputs((picture,), picture.with_suffix(".json"), with_recipe=self.with_recipe)
            pictures = self.pictures.value
            if self.photo:
                pictures = replace(pictures, source=to_tensor(load_image(io.BytesIO(self.photo))))
            stopped, diverged = False, ""
            try:
                made = produce_job(context, self.recipe, models, outputs=outputs, pictures=pictures)
                stopped = made.stopped
            except DivergedError as error:
                diverged = str(error)
            image, record = (
                path.read_bytes() if path.is_file() else None for path in (outputs.images[0], outputs.record)
            )
        return PictureFiles(image, record, stopped, diverged)


class Spread:
    """What pictures share, sent to a cluster once: models by their names, and the pictures that recipes refer to."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._models: dict[tuple[tuple[str, int], ...], Shared[Mapping[str, Model]]] = {}
        self._pictures: dict[tuple[int, ...], tuple[Pictures, Shared[Pictures]]] = {}

    def those_of(self, models: Mapping[str, Model], recipe: Recipe) -> Shared[Mapping[str, Model]]:
        """The models of a recipe."""
        own = {name: models[name] for name in recipe.models}
        key = tuple((name, id(model)) for name, model in own.items())
        if key not in self._models:
            self._models[key] = self._cluster.share(own)
        return self._models[key]

    def shared(self, pictures: Pictures) -> Shared[Pictures]:
        """Pictures, the same for the same ones."""
        values = vars(pictures).values()
        key = tuple(map(id, values))
        if key not in self._pictures:
            none = all(value is None for value in values)
            self._pictures[key] = pictures, Here(NO_PICTURES) if none else self._cluster.share(pictures)
        return self._pictures[key][1]
