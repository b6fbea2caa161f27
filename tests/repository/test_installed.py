"""What `pip install .` gives: commands that work from any folder, with all that ships, and nothing of the clone."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from foundation.command_line import program
from foundation.images.files import load_image
from tests.sources import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("app", "clip_model", "crossmax_studio", "foundation", "generator", "robust_model")
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "requirements.txt")
NEW_ENOUGH = (77, 0)
"""The first version of setuptools that reads what pyproject.toml says of the license."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


class Installed(NamedTuple):
    wheel: Path
    site: Path
    folder: Path
    """Another folder, to call from."""

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self.site),
            "CROSSMAX_STUDIO_DATA": str(self.folder / "data"),
            "OMP_NUM_THREADS": "1",
        }

    def command(self, name: str, *words: str) -> list[str]:
        return [sys.executable, str(self.site / "bin" / name), *words]

    def run(self, name: str, *words: str) -> str:
        command = self.command(name, *words)
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built without the network out of a copy of the clone, and installed away from both."""
    if tuple(map(int, version("setuptools").split(".")[:2])) < NEW_ENOUGH:
        pytest.skip("this environment's setuptools cannot make wheels, and another would have to be fetched")
    place = tmp_path_factory.mktemp("install")
    source, wheels, site, folder = (place / name for name in ("source", "wheels", "site", "elsewhere"))
    for name in (*PACKAGES, "assets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEEDED:
        shutil.copy(ROOT / name, source / name)
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", wheels, source], cwd=folder, check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", *offline, "--no-compile", "--target", site, wheel], cwd=folder, check=True)
    shutil.rmtree(source)
    return Installed(wheel, site, folder)


def test_the_wheel_has_every_module_every_page_file_and_all_that_ships(installed: Installed) -> None:
    files = {path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    wanted = {path.as_posix() for path in files if "__pycache__" not in path.parts}
    shipped = (path.relative_to(ROOT).as_posix() for path in (ROOT / "assets").rglob("*") if path.is_file())
    wanted |= {f"foundation/{path}" for path in shipped if path.count("/") > 1}  # not the two sheets of the README
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    assert wanted - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)


def test_the_commands_are_those_that_sentences_name() -> None:
    scripts = PROJECT["project"]["scripts"]
    assert scripts == {command: f"{package}.__main__:program" for package, command in program.COMMANDS.items()}


@pytest.mark.parametrize(
    ("called_as", "said"),
    [
        ("/home/me/.local/bin/crossmax-studio", "crossmax-generator"),
        ("crossmax-generator.exe", "crossmax-generator"),
        ("/clone/generator/__main__.py", "python -m generator"),
    ],
)
def test_sentences_name_the_form_of_the_command_that_is_in_use(
    called_as: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [called_as])
    assert program.called("generator") == said


def test_a_picture_is_drawn_from_another_folder(installed: Installed) -> None:
    words = ("class", "--class", "frog", "--steps", "2", "--size", "32", "--seed", "1", "--out", "frog.png")
    installed.run("crossmax-generator", *words, "--device", "cpu")
    assert load_image(installed.folder / "frog.png").size == (32, 32)


def test_the_shipped_models_are_listed_and_a_module_of_this_folder_is_found(installed: Installed) -> None:
    listed = installed.run("crossmax-robust-model", "models")
    for name in ("crossmax-cifar10", "crossmax-plain-cifar10", "undefended-cifar10"):
        assert re.search(rf"^{name}\b", listed, re.MULTILINE), listed
    network = "from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))\n"
    (installed.folder / "my_networks.py").write_text(network, encoding="utf-8")
    words = ("my_networks:make", "--data", "synthetic:8", "--match", "order", "--estimate")
    assert "my_networks" not in installed.run("crossmax-robust-model", "evaluate", *words)


def test_programs_find_the_front_door(installed: Installed) -> None:
    code = """
import crossmax_studio, torch
result = crossmax_studio.attack("undefended-cifar10", torch.full((1, 3, 32, 32), 0.5), torch.tensor([0]), steps=2)
assert result.images.shape == (1, 3, 32, 32) and result.recipes[0].classes == ("airplane",)
print(crossmax_studio.__file__)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=installed.folder, env=installed.environment(), capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).parents[1] == installed.site


def test_the_page_is_served_from_another_folder(installed: Installed) -> None:
    command = installed.command("crossmax-studio", "--port", "0", "--no-browser", "--device", "cpu")
    with subprocess.Popen(
        command, cwd=installed.folder, env=installed.environment(), stdout=subprocess.PIPE, text=True
    ) as studio:
        try:
            assert studio.stdout is not None
            line = studio.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line
            with urllib.request.urlopen(found[0], timeout=30) as answer:
                page = answer.read().decode()
        finally:
            studio.terminate()
    assert answer.status == 200 and "CrossMax Studio" in page
