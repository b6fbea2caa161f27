"""Lets torchvision import next to a build of PyTorch that its compiled operators do not fit.

PyPI's torchvision for Linux is compiled against the CUDA build of PyTorch. Beside a CPU build its extension
does not load, and its Python code then stops at import, because it registers shape functions for operators
that nobody defined: ``operator torchvision::nms does not exist``. Declaring the schemas of the two operators
concerned is enough for its models and transforms (neither is ever called here), and for timm and open_clip.

Import this module before the first import of torchvision, timm or open_clip. A working installation is left
untouched: schemas are declared only where torchvision's own extension cannot be loaded. What is imported then
does without PyTorch's compiler until it compiles, and without transformers until a model needs it
(`foundation.lean_vision`).
"""

import importlib.util
from pathlib import Path

import torch

from foundation import lean_vision

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _extension_loads() -> bool:
    """Whether torchvision's compiled operators load into this PyTorch (loading twice is harmless)."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True  # nothing to cure
    for folder in spec.submodule_search_locations:
        for library in sorted(Path(folder).glob("_C*.so")) + sorted(Path(folder).glob("_C*.pyd")):
            try:
                torch.ops.load_library(str(library))
            except OSError:
                return False
            return True
    return False


def declare_missing_operators() -> torch.library.Library | None:
    """Declare the operators torchvision's import needs, if its own extension cannot define them.

    Returns the library that holds the declarations (they vanish with it), or None where nothing was missing.
    """
    if _extension_loads():
        return None
    missing = [schema for name, schema in _SCHEMAS.items() if not hasattr(torch.ops.torchvision, name)]
    if not missing:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in missing:
        library.define(schema)
    return library


_lean = lean_vision.prepare()
_keep_alive = declare_missing_operators()
