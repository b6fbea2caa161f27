"""What programs order in tests, and a picture that they send."""

import io
from typing import Any

from tests.app.api.conftest import Program
from tests.browser.standins import fade

FROG: dict[str, Any] = {"models": ["crossmax-cifar10"], "classes": ["frog"], "size": [24, 32], "steps": 2, "seed": 3}


SAID: dict[str, Any] = {"models": ["tiny-clip"], "prompt": "a frog", "size": [24, 32], "steps": 2}


def png(width: int = 40, height: int = 24) -> bytes:
    data = io.BytesIO()
    fade(3, 8, (height, width), 1).save(data, "PNG")
    return data.getvalue()


def stopped(program: Program, job: Any) -> Any:
    """A job that is stopped once it has got somewhere."""
    while job["done"] == 0:
        job = program.get(f"/jobs/{job['id']}/wait?seconds=0.1").json()
    assert program.post(f"/jobs/{job['id']}/stop").status == 200
    job = program.get(f"/jobs/{job['id']}/wait").json()
    assert job["status"] == "stopped"
    return job
