"""Odd and hostile picture files, through the library, the command line and the page's own way of taking them."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.visitors.uploads import Uploads
from foundation.errors import StudioError
from foundation.images.decoding import ANIMATED, MAX_SCANS, TRANSPARENT, jpeg_scans
from foundation.images.files import ImageError, load_image, load_noted
from tests import corpus
from tests.forking import Forking
from tests.odd_pictures import frames, odd_pictures, progressive_scans

ODD = odd_pictures()
OWNER = "a" * 32


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore")
def test_the_library_loads_it_or_says_why_not(name: str, tmp_path: Path) -> None:
    """F16, S9: these pixels, or a sentence about this; never another error."""
    odd = ODD[name]
    path = tmp_path / name
    path.write_bytes(odd.data)
    if odd.expected is None:
        with pytest.raises(ImageError, match=odd.words) as caught:
            load_image(path)
        assert str(caught.value).startswith(name) and str(caught.value).endswith(".")
        assert str(tmp_path) not in str(caught.value)
        return
    pixels = np.asarray(load_image(path)).astype(int)
    assert pixels.shape == odd.expected.shape
    assert np.abs(pixels - odd.expected).max() <= odd.tolerance


@pytest.mark.filterwarnings("ignore")
def test_the_page_takes_it_or_says_why_not(tmp_path: Path) -> None:
    """The same files as visitors bring them: what is kept has the same pixels, and of the rest nothing is kept."""
    uploads = Uploads(tmp_path / "uploads")
    for name, odd in ODD.items():
        path = tmp_path / name
        path.write_bytes(odd.data)
        if odd.expected is None:
            with pytest.raises(StudioError, match=odd.words):
                uploads.bring(path, OWNER)
            continue
        kept, size, _notes = uploads.bring(path, OWNER)
        file = uploads.find(kept.digest, OWNER)
        assert size == odd.expected.shape[1::-1] == uploads.size(kept)
        assert np.abs(np.asarray(load_image(file)).astype(int) - odd.expected).max() <= odd.tolerance, name
    kept_files = [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()]
    assert all(path.suffix == ".png" for path in kept_files)


COMMAND = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
sys.stderr = sys.stdout
from generator.cli.main import main
def never(*arguments):
    raise SystemExit("a model was loaded")
class Foreground:
    def run(self, *arguments, **options):
        print("accepted", flush=True)
        return None
    def say(self, text):
        print(text)
for name in sys.argv[1:]:
    code = main(["attack", name, "--objective", "leave", "--out", name + ".out.png"], load_model=never,
                list_models=lambda: [], foreground=Foreground())
    print(f"{Path(name).name}: {code}", flush=True)
"""


@pytest.mark.slow
def test_the_command_line_takes_it_or_says_why_not(forking: Forking, tmp_path: Path) -> None:
    """In one process: 130 where the picture was accepted (and the stand-in ends there), 2 and a sentence else."""
    names = []
    for name, odd in ODD.items():
        if name not in ("16384x8.png", "8x16384.png"):  # refused for their size, as photos of an attack
            (tmp_path / name).write_bytes(odd.data)
            names.append(str(tmp_path / name))
    forking.need("generator.cli.main")
    said = forking.run(COMMAND, *names)
    assert "Traceback" not in said, said
    codes = dict(line.rsplit(": ", 1) for line in said.splitlines() if ": " in line)
    for name in (Path(path).name for path in names):
        assert codes[name] == ("2" if ODD[name].expected is None else "130"), (name, said)


def test_scans_are_counted_without_decoding() -> None:
    """S9: of the picture itself, not of what looks like one in a comment; as many as cameras write are taken."""
    picture = Image.fromarray(corpus.gradient(32, 48))
    usual = jpeg_scans(corpus.encode(picture, "JPEG", progressive=True))
    assert 2 <= usual <= 12 and jpeg_scans(corpus.encode(picture, "JPEG")) == 1
    assert jpeg_scans(corpus.encode(picture)) == 0 and jpeg_scans(progressive_scans(1000)) > 1000
    few = progressive_scans(5)
    assert jpeg_scans(few) <= MAX_SCANS
    load_image(few)


@pytest.mark.slow
def test_deep_grey_takes_little_memory() -> None:
    """S9: 16 bit are scaled by strips: 24 million pixels in less than twice what the picture itself takes."""
    code = """
import resource, struct, sys, zlib
sys.path.insert(0, sys.argv[1])
from tests.corpus import raw_png
data = raw_png((6000, 4000), 16, 0, bytes(4000 * 12001))
from foundation.images.files import load_image, pixel_digest
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = load_image(data)
pixel_digest(picture)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    command = [sys.executable, "-c", code, str(Path(__file__).parents[3])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    assert int(done.stdout) < 220, f"{done.stdout} MB more"  # RGB in Pillow takes 96 MB, the 16-bit picture 48


def test_what_was_chosen_is_said() -> None:
    """U17: of several frames the first, and white for what is transparent; nothing is said where nothing was chosen."""
    for kind in ("PNG", "GIF", "WEBP", "TIFF"):
        assert load_noted(frames(kind)).notes[:1] == (ANIMATED,), kind
    assert load_noted(corpus.valid()["alpha.png"].data).notes == (TRANSPARENT,)
    assert load_noted(corpus.valid()["plain.png"].data).notes == ()


def test_too_little_memory_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """F16: each kind of error has its own sentence."""

    def full(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", full)
    with pytest.raises(ImageError, match="memory"), warnings.catch_warnings():
        load_image(corpus.encode(Image.new("L", (16, 16))))
