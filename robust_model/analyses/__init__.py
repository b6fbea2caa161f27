"""The paper's analyses as commands: `python -m robust_model analyse KIND MODEL` measures, tabulates and plots.

An analysis is one entry of `ANALYSES`: what it is told, how it measures, and how its report becomes a table and a
figure. `base` has that type and that of the report; `report` goes from the material to the files, `plotting` has the
look of all figures, `robust_model.cli.analyse` the command. `bench` attacks a defence through one read-out and judges
by all, `under_attack` does so for several, and `defences` are made of others.

To add one: a module with an `Analysis` and the values of its result, and a line in `ANALYSES`.
"""

from typing import Any

from robust_model.analyses.base import Analysis, Material, Measured, Monitor, Stopped, Table
from robust_model.analyses.classes import CLASSES
from robust_model.analyses.crossmax import CROSSMAX
from robust_model.analyses.gallery import GALLERY
from robust_model.analyses.layers import LAYERS
from robust_model.analyses.resolutions import RESOLUTIONS
from robust_model.analyses.sweep import SWEEP
from robust_model.analyses.transfer import TRANSFER

__all__ = ["ANALYSES", "Analysis", "Material", "Measured", "Monitor", "Stopped", "Table"]

ANALYSES: dict[str, Analysis[Any, Any]] = {
    "layers": LAYERS,
    "resolutions": RESOLUTIONS,
    "transfer": TRANSFER,
    "crossmax": CROSSMAX,
    "sweep": SWEEP,
    "classes": CLASSES,
    "gallery": GALLERY,
}
