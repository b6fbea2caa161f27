"""What units of work take here: measured in the background, once the page is served."""

import logging
import time
from collections.abc import Callable

from app.costs.timings import Timings
from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import KINDS
from foundation.errors import StudioError

logger = logging.getLogger(__name__)

SHIPPED = "shipped"
WAIT_SECONDS = 0.5


def calibrate(
    timings: Timings,
    catalogue: Catalogue,
    device: str,
    is_busy: Callable[[], bool],
    wait: Callable[[float], None] = time.sleep,
    evaluated: Callable[[str], object] = lambda _name: None,
) -> None:
    """Time the units of work, and the models that came with the program, part by part.

    `evaluated` times a classifier as evaluations use it.

    Nothing is measured while somebody's job waits or runs: it would slow that down, and be wrong. Other models are
    learnt from the first job that uses them.

    Raises:
        OSError: what was found out cannot be written.
    """

    def idle() -> None:
        while is_busy():
            wait(WAIT_SECONDS)

    idle()
    timings.measure(device)
    for kind in reversed(KINDS):  # what the page shows first comes first
        for name in [info.name for info in catalogue.list(kind) if info.ready and info.origin == SHIPPED]:
            idle()
            try:
                timings.measure_network(name, catalogue.load(name, device, kind=kind), device)
                if kind == "classifier":
                    idle()
                    evaluated(name)
            except StudioError:  # whoever asks for it is told
                logger.warning("the model %s cannot be timed", name, exc_info=True)
