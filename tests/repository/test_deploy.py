"""The files of `deploy/` name what there is: files, settings, ports. What runs them is not at hand in the tests."""

import argparse
import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings, add_flags, effective, variable_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
UNIT = DEPLOY / "crossmax-studio.service"
SECRET = "sixteen-characters-or-more"


def test_every_setting_that_is_named_is_one() -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    for file in (*DEPLOY.rglob("*"), ROOT / "docs" / "deploying.md"):
        if file.is_file():
            named = set(re.findall(r"CROSSMAX_STUDIO_[A-Z_]+", file.read_text(encoding="utf-8")))
            assert named <= known, file
    assert {"CROSSMAX_STUDIO_DATA", "CROSSMAX_STUDIO_HOST"} <= set(re.findall(r"CROSSMAX_STUDIO_[A-Z_]+", DOCKERFILE))


def test_the_image_starts_on_a_network_without_a_browser_in_its_volume() -> None:
    declared = DOCKERFILE.rpartition("ENV ")[2].partition("VOLUME")[0]
    environment = dict(re.findall(r"([A-Z_]+)=(\S+)", declared))
    parser = argparse.ArgumentParser()
    add_flags(parser)
    settings = effective(parser.parse_args([]), environment).settings
    assert (settings.host, settings.browser, settings.data_dir) == ("0.0.0.0", False, "/data/studio")
    assert settings.token == ""  # each start makes one
    assert environment["HOME"] == "/data" and "VOLUME /data" in DOCKERFILE
    assert f"EXPOSE {settings.port}" in DOCKERFILE and f":{settings.port}/readyz" in DOCKERFILE


def test_what_the_image_copies_is_there_and_not_left_out() -> None:
    left_out = [one for one in (ROOT / ".dockerignore").read_text().splitlines() if one and not one.startswith("#")]
    copied = [one for words in re.findall(r"^COPY ([^-].*)$", DOCKERFILE, re.M) for one in words.split()[:-1]]
    assert {"requirements.txt", "requirements.lock", "."} <= set(copied)
    for name in (*copied, "assets", "app", "foundation", "pyproject.toml", "README.md", "LICENSE"):
        assert (ROOT / name).exists(), name
        assert name == "." or not any(fnmatch.fnmatch(name, pattern) for pattern in left_out), name


def test_the_image_installs_extras_and_commands_that_there_are() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extras in re.findall(r'"\.\[([a-z,]+)\]"', DOCKERFILE):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (entry,) = re.findall(r'ENTRYPOINT \["([^"]+)"\]', DOCKERFILE)
    assert entry in project["scripts"]
    assert f"/bin/{entry}\n" in UNIT.read_text(encoding="utf-8")
    assert f"exec {entry}" in (DEPLOY / "space" / "Dockerfile").read_text(encoding="utf-8")


def test_the_compose_file_gives_settings_that_the_program_takes() -> None:
    studio = COMPOSE["services"]["studio"]
    assert (DEPLOY / studio["build"]["context"] / studio["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    given = {"CROSSMAX_STUDIO_TOKEN": SECRET, "CROSSMAX_STUDIO_ALLOW_HOST": "a.org,b.org"}
    assert set(given) < set(studio["environment"])
    parser = argparse.ArgumentParser()
    add_flags(parser)
    empty = dict.fromkeys(studio["environment"], "")  # what a variable that is not set becomes
    settings = effective(parser.parse_args([]), {**empty, **given}).settings
    assert (settings.token, settings.allow_host, settings.database) == (SECRET, ("a.org", "b.org"), "")
    (port,) = studio["ports"]
    assert port == f"127.0.0.1:{settings.port}:{settings.port}"
    volumes = {one.split(":")[0] for service in COMPOSE["services"].values() for one in service["volumes"]}
    assert volumes == set(COMPOSE["volumes"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_one(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(encoding="utf-8")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert about_it == []


def test_the_space_is_a_container_on_our_port() -> None:
    head = yaml.safe_load((DEPLOY / "space" / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert (head["sdk"], head["app_port"], head["license"]) == ("docker", Settings().port, "apache-2.0")
    assert len(head["short_description"]) <= 60  # what the hub takes
