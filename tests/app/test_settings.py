"""What flags, variables, a file and defaults come to; what none of them can be is refused where it stands."""

import argparse
import dataclasses
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from app import __main__
from app.settings import Settings, add_flags, describe, effective, limits_to_set, variable_of
from foundation.errors import StudioError
from foundation.limits import Limits, memory_bytes

SECRET = "secret-of_16.or~more"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    place.mkdir()
    return place


def flags(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return parser.parse_args(words)


def found(data: Path, text: str = "", words: Sequence[str] = (), **environment: str):
    """What holds for a data directory with a file of settings."""
    if text:
        (data / "settings.toml").write_text(text, encoding="utf-8")
    return effective(flags(*words), {"CROSSMAX_STUDIO_DATA": str(data), **environment})


def test_without_anything_all_are_defaults(data: Path) -> None:
    holds = found(data)
    assert holds.settings == Settings(data_dir=str(data))
    assert {name: source for name, source in holds.sources.items() if source != "default"} == {
        "data_dir": "CROSSMAX_STUDIO_DATA"
    }
    for local in (True, False):
        assert holds.limits(local=local) == Limits().here(local=local)


def test_a_flag_comes_before_a_variable_before_the_file_before_the_default(data: Path) -> None:
    text = 'host = "1.1.1.1"\nport = 1\ndevice = "cpu"\n[limits]\nqueued = 1\nsessions = 1\nstreams = 1\n'
    variables = {
        "CROSSMAX_STUDIO_HOST": "2.2.2.2",
        "CROSSMAX_STUDIO_PORT": "2",
        "CROSSMAX_STUDIO_LIMITS_QUEUED": "2",
        "CROSSMAX_STUDIO_LIMITS_SESSIONS": "2",
    }
    holds = found(data, text, ["--port", "3", "--limit", "queued=3"], **variables)
    settings = holds.settings
    assert (settings.port, settings.host, settings.device, settings.browser) == (3, "2.2.2.2", "cpu", True)
    sources = [holds.sources[name] for name in ("port", "host", "device", "browser")]
    assert sources == ["--port", "CROSSMAX_STUDIO_HOST", f"'{data / 'settings.toml'}' (line 3)", "default"]
    limits = holds.limits(local=True)
    assert (limits.queued, limits.sessions, limits.streams, limits.listed) == (3, 2, 1, Limits().listed)


def test_every_option_can_be_set_in_each_way(data: Path) -> None:
    """A field that is added is a flag, a variable and a key at once."""
    texts = {"host": "::1", "port": "99", "allow_host": "a.org", "device": "cpu", "database": "sqlite:////x.db"}
    texts |= {"precision": "bf16"}
    texts |= {"token": SECRET, "log_format": "json", "log_level": "error", "log_details": "shown"}
    texts |= {"cluster": "auto"}
    numbers = {"cluster_workers": 3, "cluster_threads": 2, "cluster_pictures": 4}
    texts |= {name: str(number) for name, number in numbers.items()}
    typed = {**texts, **numbers, "port": 99, "allow_host": ("a.org",)}
    assert {*texts, "data_dir", "browser", "accounts"} == set(Settings.model_fields)
    for name, text in texts.items():
        for holds in (
            found(data, "", [f"--{name.replace('_', '-')}", text]),
            found(data, "", [], **{variable_of(name): text}),
        ):
            assert getattr(holds.settings, name) == typed[name]
    assert found(data, "", ["--no-browser"]).settings.browser is False
    assert found(data).settings.accounts is False
    assert found(data, "", ["--accounts"]).settings.accounts is True
    assert found(data, "", [], CROSSMAX_STUDIO_ACCOUNTS="yes").settings.accounts is True
    assert found(data, "accounts = true\n").settings.accounts is True
    (data / "settings.toml").unlink()
    assert found(data, "", [], CROSSMAX_STUDIO_BROWSER="no").settings.browser is False
    holds = found(data, 'host = "::1"\nport = 99\nallow_host = ["a.org"]\ndevice = "cpu"\nbrowser = false\n')
    assert (holds.settings.allow_host, holds.settings.browser) == (("a.org",), False)


def test_a_file_that_is_named_says_where_the_data_lie(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"data_dir = '{tmp_path / 'there'}'\n")
    for words, variable in (["--settings", str(file)], ""), ([], str(file)):
        environment = {"CROSSMAX_STUDIO_SETTINGS": variable} if variable else {}
        holds = effective(flags(*words), environment)
        assert holds.settings.data_dir == str(tmp_path / "there")
    assert found(data, "", ["--settings", str(file)]).settings.data_dir == str(data)  # the variable comes before it
    with pytest.raises(StudioError, match="cannot be read"):
        found(data, "", ["--settings", str(tmp_path / "none.toml")])


def test_what_is_set_holds_on_a_network_too(data: Path) -> None:
    holds = found(data, "[limits]\njob_hours = inf\nqueued_hours = 1\njob_bytes = 1000000000000000\n")
    limits = holds.limits(local=False)
    assert (limits.job_hours, limits.queued_hours, limits.jobs_days) == (math.inf, 1, 30)
    assert limits.job_bytes == memory_bytes() < 10**15  # never more than there is


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 1\nprot = 2\n", r"\(line 2\) have a 'prot', which there is not. Did you mean 'port'\?"),
        ("\n\nport = '7860'\n", r"\(line 3\): 'port' takes a whole number, not \"7860\""),
        ("port = true", r"\(line 1\): 'port' takes a whole number, not true"),
        ("browser = 1", r"'browser' takes true or false, not 1"),
        ("allow_host = 'a'", r"'allow_host' takes a list of texts"),
        ("allow_host = [\n 'a',\n 1,\n]", r"\(line 1\): 'allow_host' takes a list of texts, not \[\"a\", 1\]"),
        ("device = 'tpu'", r"'device' takes one of auto, cpu, cuda"),
        ("data_dir = '/x'", r"\(line 1\) lie in the data directory"),
        ("port = \nhost = '::1'", r"are no TOML: .*line 1"),
        ("limits = 3", r"\(line 1\): the limits are a table"),
        ("host = '::1'\n[limits]\nqueud = 3", r"\(line 3\) have a limit 'queud'.*'queued'"),
        ("[limits]\nqueued = 1.5", r"\(line 2\): 'limits.queued' takes a whole number, not 1.5"),
        ("[limits]\njobs_days = nan", r"'limits.jobs_days' takes a number"),
        ("[limits]\nqueued = -1", r"takes a number from 0, not -1"),
        ("[limits]\ntext = 5", r"a limit 'text', which there is not"),
        ("[limits.queued]\nx = 1", r"\(line 1\): 'limits.queued' takes a whole number"),
    ],
)
def test_what_the_file_cannot_say_is_refused_with_its_line(data: Path, text: str, words: str) -> None:
    with pytest.raises(StudioError, match=words):
        found(data, text)


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        ([], {"CROSSMAX_STUDIO_PORT": "http"}, "CROSSMAX_STUDIO_PORT takes a whole number, not 'http'"),
        ([], {"CROSSMAX_STUDIO_BROWSER": "perhaps"}, "CROSSMAX_STUDIO_BROWSER takes true or false"),
        ([], {"CROSSMAX_STUDIO_DEVICE": "tpu"}, "CROSSMAX_STUDIO_DEVICE takes one of auto, cpu, cuda"),
        ([], {"CROSSMAX_STUDIO_LIMITS_QUEUED": "-1"}, "takes a number from 0"),
        (["--limit", "queued"], {}, "--limit takes NAME=NUMBER, not 'queued'"),
        (["--limit", "queud=3"], {}, "Did you mean 'queued'"),
        (["--limit", "queued=many"], {}, "--limit queued takes a whole number, not 'many'"),
    ],
)
def test_flags_and_variables_are_refused_by_name(data: Path, words: list[str], environment, said: str) -> None:
    with pytest.raises(StudioError, match=said):
        found(data, "", words, **environment)


def test_what_is_shown_is_a_file_of_the_same_settings(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "settings.toml").write_text("port = 8000\n[limits]\nqueued = 7\n")
    monkeypatch.setenv("CROSSMAX_STUDIO_DATABASE", "postgresql://anna:geheim@host/name")
    assert __main__.main(["settings", "--data-dir", str(data), "--host", "0.0.0.0"]) == 0
    text = capsys.readouterr().out
    assert "geheim" not in text and "***" in text
    assert f"port = 8000  # '{data / 'settings.toml'}' (line 1)" in text
    assert 'host = "0.0.0.0"  # --host' in text
    assert "job_hours = 4.0  # default on a network" in text
    shown = tomllib.loads(text)
    assert set(shown) == {*Settings.model_fields, "limits"} and set(shown["limits"]) == set(limits_to_set())
    holds = found(data, "", ["--host", "0.0.0.0"])
    assert shown["limits"] == {name: getattr(holds.limits(local=False), name) for name in shown["limits"]}
    assert describe(holds, holds.limits(local=False)).splitlines()[0] == f"# {data / 'settings.toml'}"


def test_every_limit_that_can_be_set_is_one(data: Path) -> None:
    names = {field.name for field in dataclasses.fields(Limits)}
    assert names - set(limits_to_set()) == {"text", "label_rows"}


@pytest.mark.parametrize(
    "token", ["short", "fifteen-letters", "sixteen letters or more", "x" * 201, "a-token-with-ä-in-it"]
)
def test_a_token_that_can_be_guessed_or_is_no_part_of_an_address_is_refused(data: Path, token: str) -> None:
    for words, text, variables, where in (
        (["--token", token], "", {}, "--token"),
        ([], "", {"CROSSMAX_STUDIO_TOKEN": token}, "CROSSMAX_STUDIO_TOKEN"),
        ([], f'token = "{token}"', {}, r"\(line 1\)"),
    ):
        with pytest.raises(StudioError, match=f"{where}.*16 to 200 letters"):
            found(data, text, words, **variables)
        (data / "settings.toml").unlink(missing_ok=True)


def test_a_token_that_is_set_is_not_shown(data: Path) -> None:
    holds = found(data, "", [], CROSSMAX_STUDIO_TOKEN=SECRET)
    shown = describe(holds, holds.limits(local=True))
    assert SECRET not in shown
    assert 'token = "(not shown)"  # CROSSMAX_STUDIO_TOKEN' in shown
    assert 'token = ""  # default' in describe(found(data), holds.limits(local=True))
    assert found(data, "", ["--token", ""]).settings.token == ""
