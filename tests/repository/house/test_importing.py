"""Importing the packages has no effects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import (
    LIBRARY,
    ROOT,
)

IMPORT_ALL = """
import importlib, os, sys, warnings
warnings.simplefilter("ignore")
import torch, numpy, pydantic, PIL.Image
import app
from foundation import torchvision_cure
for name in ("torchvision", "timm", "gradio", "fastapi", "safetensors.torch", "sqlalchemy.orm", "alembic", "av"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass

ROOT, MODULES = sys.argv[1], sys.argv[2:]
WATCHED = ("socket.connect", "subprocess.Popen", "os.mkdir", "os.rename", "os.remove", "os.system", "urllib.Request")
seen, importing = [], [False]

def watch(event, arguments):
    if not importing[0]:
        return
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event not in WATCHED and not writes:
        return
    frame = sys._getframe(1)
    while frame and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    while frame:
        if frame.f_code.co_filename.startswith(ROOT) and "site-packages" not in frame.f_code.co_filename:
            seen.append(f"{event} {arguments[:1]} by {frame.f_code.co_filename}:{frame.f_lineno}")
            return
        frame = frame.f_back

def state():
    return (
        torch.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(),
        numpy.random.get_state()[1].tolist(), PIL.Image.MAX_IMAGE_PIXELS, os.getcwd(), sorted(os.listdir()),
    )

sys.addaudithook(watch)
before = state()
for module in MODULES:
    importing[0] = True
    importlib.import_module(module)
    importing[0] = False
assert not seen, "\\n".join(seen)
assert state() == before, "importing changed the state of the process"
"""


@pytest.mark.slow
def test_importing_everything_leaves_no_trace(tmp_path: Path) -> None:
    """Import each module of the packages (but not the entry points) in a fresh process that watches."""
    dotted = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in LIBRARY
        if path.name != "__main__.py"
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(ROOT), *dotted],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
