"""The layers of finished pictures, kept beside them so that a page can switch them on and off."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from app.jobs.store import write_atomic
from generator.image import load_image, to_pil, to_tensor
from generator.operators import resolution_operator
from generator.prior import LayeredPrior
from generator.recipe import Recipe
from generator.synthesis import Synthesis, bound_of

SOURCE_NAME = "source.png"
"""The photo of an attack, in its job's folder."""
MAX_BYTES = 64 << 20
"""Layers of one picture that take more than this are not kept."""


def layer_path(folder: Path, index: int) -> Path:
    """Where the layers of picture `index` (from 0) are kept."""
    return folder / f"layers-{index + 1}.safetensors"


def save_layers(synthesis: Synthesis, folder: Path) -> None:
    """Keep every layer P_r [3, rh, rw] of every picture, unless they are too large. Raises OSError."""
    layers = synthesis.prior.layers()
    if sum(4 * layer[0].numel() for layer in layers.values()) > MAX_BYTES:
        return
    facts = {"recipe": synthesis.recipe.to_json()}
    for index in range(synthesis.recipe.images):
        tensors = {str(r): layer[index].float().cpu().contiguous() for r, layer in layers.items()}
        write_atomic(layer_path(folder, index), save(tensors, facts), durable=False)


class SavedLayers:
    """Shows saved layers: what the page asks for. The photo of an attack is `source.png` beside them."""

    def resolutions(self, folder: Path, index: int) -> Sequence[int]:
        """The resolutions of picture `index` (from 0), ascending; empty where no layers were kept."""
        try:
            with safe_open(layer_path(folder, index), framework="pt") as file:
                return sorted(int(name) for name in file.keys())  # noqa: SIM118 (no mapping)
        except (OSError, SafetensorError):
            return ()

    def render(self, folder: Path, index: int, keep: Collection[int]) -> Image.Image:
        """Picture `index` with only these resolutions switched on."""
        return to_pil(_load(folder, index).render_layers(keep))[0]


@lru_cache(maxsize=2)
def _load(folder: Path, index: int) -> LayeredPrior:
    """The picture's prior as it was in the end. Kept, because a page asks for many combinations in a row."""
    with safe_open(layer_path(folder, index), framework="pt") as file:
        recipe = Recipe.parse_json(file.metadata()["recipe"])
        start = {int(name): file.get_tensor(name)[None] for name in file.keys()}  # noqa: SIM118
    operator = resolution_operator(tuple(sorted(start)), recipe.size)
    source = None if recipe.task == "class" else to_tensor(load_image(folder / SOURCE_NAME))
    return LayeredPrior(operator, bound_of(recipe, source), start=start)
