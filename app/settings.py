"""How the app is run: one list of options, which flags, variables, a file and defaults set, in this order.

A field of `Settings` is an option: its flag is `--name`, its variable CROSSMAX_STUDIO_NAME (but where VARIABLES says
else), its key in the file `name`. The fields of `foundation.limits.Limits` are set alike: by `--limit NAME=NUMBER`,
CROSSMAX_STUDIO_LIMITS_NAME, or below [limits] in the file.
"""

import argparse
import dataclasses
import difflib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from app.logs import Details, Format, Level
from app.settings_file import FILE_NAME, NOTHING, TABLE, Written, place, read_file
from foundation.errors import StudioError
from foundation.files.places import is_file, optional_path, user_path
from foundation.files.user_data import VARIABLE, data_root
from foundation.limits import Limits, memory_bytes

PREFIX = "CROSSMAX_STUDIO_"
VARIABLES = {"data_dir": VARIABLE}
"""Options whose variable is not the prefix with their name."""
METAVARS = {
    "allow_host": "NAME",
    "cluster": "ADDRESS",
    "cluster_pictures": "N",
    "cluster_threads": "N",
    "cluster_workers": "N",
    "data_dir": "FOLDER",
    "database": "ADDRESS",
    "token": "SECRET",
}
FIXED = frozenset({"text", "label_rows"})
"""Limits that nobody sets: what is read of a field is the same everywhere."""
DEFAULT = "default"
ON_A_NETWORK = "default on a network"
MOST_TOKEN, LEAST_TOKEN = 200, 16
"""Characters of a token that is set: fewer can be guessed."""
_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Settings(BaseModel):
    """The options of the app; their descriptions are the help of their flags."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        "127.0.0.1", description="address to listen on; outside of this machine (0.0.0.0) a token is demanded"
    )
    port: int = Field(7860, description="port to listen on, 0 for any that is free")
    allow_host: tuple[str, ...] = Field(
        (),
        description="host name under which browsers may ask for the page, beside localhost and --host, for example "
        "that of a proxy; a token is demanded then; may be repeated",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the models run")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="in which numbers CLIP models see images: auto is fp32 on a CPU; bf16 is several times faster on a "
        "CPU with AMX (amx_bf16 in /proc/cpuinfo), and hardly less exact",
    )
    cluster: str = Field(
        "",
        description="have workers of a Ray cluster do evaluations, grids and folders of photos: auto (the one that "
        "this machine is part of, or else one of this machine alone), HOST:PORT or ray://HOST:PORT; see "
        "docs/cluster.md",
    )
    cluster_workers: int = Field(0, description="how many workers, 0 for as many as there is room for")
    cluster_threads: int = Field(0, description="CPU threads of each worker, 0 for one")
    cluster_pictures: int = Field(
        0,
        description="how many pictures and attacks at once are made by the cluster, each by a worker of its own; 0: "
        "they are made here, one at a time",
    )
    data_dir: str = Field("", description="folder for results and uploads")
    database: str = Field(
        "",
        description="database of jobs, notes and presets, as SQLAlchemy writes addresses (sqlite:////FOLDER/FILE.db, "
        "postgresql://USER@HOST/NAME); passwords belong into CROSSMAX_STUDIO_DATABASE or the file of settings, which "
        "say the same (default: studio.db in the data directory)",
    )
    token: str = Field(
        "",
        description="token that is demanded of everybody, also on this machine, and stays from start to start; it "
        "belongs into CROSSMAX_STUDIO_TOKEN or the file of settings, which say the same, since commands can be seen "
        "(default: a new one at each start where others can reach the studio, and none where not)",
    )
    accounts: bool = Field(
        False,
        description="ask everybody for a name and a password, as `users add` makes them (see docs/deploying.md)",
    )
    log_format: Format = Field(
        "text", description="how the log is written: lines for people, or JSON, one object a line"
    )
    log_level: Level = Field("info", description="from which level on the log is written")
    log_details: Details = Field(
        "hidden",
        description="whether the log repeats what errors say, which may have prompts, names of files and keys in it",
    )
    browser: bool = Field(True, description="open a browser")


class Given(NamedTuple):
    """A value, and where it comes from: a flag, a variable, a line of the file, or a default."""

    value: Any
    source: str


@dataclasses.dataclass(frozen=True)
class Effective:
    """What holds, and why.

    Attributes:
        settings: the options; the data directory is a whole path.
        sources: option -> where it comes from.
        given: the limits that were set.
        file: the file of settings, which need not be there.
    """

    settings: Settings
    sources: Mapping[str, str]
    given: Mapping[str, Given]
    file: Path

    def limits(self, *, local: bool) -> Limits:
        """The limits of a server that is for this machine alone, or not; what was set holds in both."""
        found = dataclasses.replace(
            Limits().here(local=local), **{name: given.value for name, given in self.given.items()}
        )
        return dataclasses.replace(found, job_bytes=min(found.job_bytes, memory_bytes()))


# ---------------------------------------------------------------------- flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flag of every option, the limits and the file; what is not given is None."""
    for name, field in Settings.model_fields.items():
        kind, words = field.annotation, field.description or ""
        if kind is bool:
            way, said = ("store_false", f"do not {words}") if field.default else ("store_true", words)
            parser.add_argument(flag_of(name), dest=name, action=way, default=None, help=said)
            continue
        options: dict[str, Any] = {"metavar": METAVARS[name]} if name in METAVARS else {}
        if get_origin(kind) is Literal:
            options |= {"type": str.lower, "choices": get_args(kind)}
        elif get_origin(kind) is tuple:
            options["action"] = "append"
        elif name == "data_dir":  # Path("") is the current folder, which "" does not mean
            options["type"] = optional_path
        elif kind is int:
            options["type"] = int
        words += f" (default: {field.default})" if field.default else ""
        parser.add_argument(flag_of(name), dest=name, default=None, help=words, **options)
    parser.add_argument(
        "--limit",
        action="append",
        default=None,
        metavar="NAME=NUMBER",
        help="one of the limits of foundation/limits.py, for example queued_per_owner=5; may be repeated",
    )
    parser.add_argument(
        "--settings",
        type=user_path,
        default=None,
        metavar="FILE",
        help=f"file of settings, in TOML, which flags and variables come before (default: {FILE_NAME} in the data "
        "directory)",
    )


def flag_of(name: str) -> str:
    """The flag of an option."""
    on = Settings.model_fields[name].default is True
    return f"--{'no-' if on else ''}{name.replace('_', '-')}"


def variable_of(name: str) -> str:
    """The variable of an option."""
    return VARIABLES.get(name, PREFIX + name.upper())


def limits_to_set() -> Mapping[str, Any]:
    """The limits that can be set, with the type of each."""
    return {field.name: field.type for field in dataclasses.fields(Limits) if field.name not in FIXED}


# ---------------------------------------------------------------------- what holds


def effective(flags: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Effective:
    """What flags, variables, a file and defaults come to. Nothing is made.

    Raises:
        StudioError: something is no option, or has a value that it does not take; the sentence says where.
    """
    spoken = dict(_of_flags(flags))
    for name, field in Settings.model_fields.items():
        text = environment.get(variable_of(name), "").strip()
        if text and name not in spoken:
            spoken[name] = Given(_from_text(text, field.annotation, variable_of(name)), variable_of(name))
    file, written = _file(flags, spoken, environment)
    for name, (value, line) in written.options.items():
        where = place(file, line)
        if name not in Settings.model_fields:
            known = (*Settings.model_fields, TABLE)
            raise StudioError(f"The settings {where} have a '{name}', which there is not.{_near(name, known)}")
        fitting = _fitting(value, Settings.model_fields[name].annotation, f"The settings {where}: '{name}'")
        spoken.setdefault(name, Given(fitting, where))
    if "token" in spoken:
        _check_token(*spoken["token"])
    found = {name: given.value for name, given in spoken.items()}
    found["data_dir"] = str(data_root(found.get("data_dir"), environment={**environment, VARIABLE: ""}))
    return Effective(
        Settings(**found),
        {name: spoken[name].source if name in spoken else DEFAULT for name in Settings.model_fields},
        _limits(getattr(flags, "limit", None) or (), environment, written, file),
        file,
    )


def _of_flags(flags: argparse.Namespace) -> Iterator[tuple[str, Given]]:
    """The options that flags set; empty texts count as not given."""
    for name in Settings.model_fields:
        value: Any = getattr(flags, name, None)
        if isinstance(value, list):
            yield name, Given(tuple(value), flag_of(name))
        elif isinstance(value, Path):
            yield name, Given(str(value), flag_of(name))
        elif value is not None and (name not in ("database", "token") or str(value).strip()):
            yield name, Given(value, flag_of(name))


def _file(
    flags: argparse.Namespace, spoken: Mapping[str, Given], environment: Mapping[str, str]
) -> tuple[Path, Written]:
    """The file of settings, and what it says."""
    named = str(getattr(flags, "settings", None) or environment.get(f"{PREFIX}SETTINGS", "").strip())
    if named:
        file = Path(named).absolute()
        return file, read_file(file)
    given = spoken.get("data_dir")
    file = data_root(given.value if given else None, environment={**environment, VARIABLE: ""}) / FILE_NAME
    written = read_file(file) if is_file(file) else NOTHING
    if "data_dir" in written.options:
        where = place(file, written.options["data_dir"].line)
        raise StudioError(
            f"The settings {where} lie in the data directory, and cannot say where that is: name it by "
            f"{flag_of('data_dir')} or {VARIABLE}, or the file by --settings."
        )
    return file, written


def _limits(flags: Iterable[str], environment: Mapping[str, str], written: Written, file: Path) -> Mapping[str, Given]:
    """The limits that were set."""
    kinds = limits_to_set()
    found: dict[str, Given] = {}
    for text in flags:
        name, equals, value = text.partition("=")
        if not equals or name not in kinds:
            raise StudioError(f"--limit takes NAME=NUMBER, not '{text}'.{_near(name, kinds)}")
        found[name] = Given(_positive(_from_text(value, kinds[name], f"--limit {name}"), f"--limit {name}"), "--limit")
    for name, kind in kinds.items():
        variable = f"{PREFIX}LIMITS_{name.upper()}"
        text = environment.get(variable, "").strip()
        if text and name not in found:
            found[name] = Given(_positive(_from_text(text, kind, variable), variable), variable)
    for name, (value, line) in written.limits.items():
        where = place(file, line)
        if name not in kinds:
            raise StudioError(f"The settings {where} have a limit '{name}', which there is not.{_near(name, kinds)}")
        what = f"The settings {where}: '{TABLE}.{name}'"
        fitting = _positive(_fitting(value, kinds[name], what), what)
        found.setdefault(name, Given(fitting, where))
    return found


def _check_token(token: str, where: str) -> None:
    """StudioError: a token is short, or cannot stand in an address."""
    if token and not re.fullmatch(rf"[A-Za-z0-9._~-]{{{LEAST_TOKEN},{MOST_TOKEN}}}", token):
        raise StudioError(
            f"{where}: the token takes {LEAST_TOKEN} to {MOST_TOKEN} letters, digits and . _ ~ -, as "
            "python -c 'import secrets; print(secrets.token_urlsafe(24))' makes them."
        )


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(known)}."


# ---------------------------------------------------------------------- values


def _wanted(kind: Any) -> str:
    """What an option of a kind takes, in words."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(kind, "a list of texts")


def _fitting(value: Any, kind: Any, what: str) -> Any:
    """A value of a file in the form of an option of a kind. StudioError: it is of another."""
    if get_origin(kind) is Literal:
        fits = value in get_args(kind)
    elif get_origin(kind) is tuple:
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        value = tuple(value) if fits else value
    elif kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    else:
        fits = type(value) is kind  # true is no number
    if not fits:
        raise StudioError(f"{what} takes {_wanted(kind)}, not {_toml(value)}.")
    return value


def _from_text(text: str, kind: Any, what: str) -> Any:
    """A value of a variable or a flag in the form of an option of a kind. StudioError: it is of another."""
    value: Any = text
    try:
        if kind is bool:
            value = _SWITCH[text.lower()]
        elif kind in (int, float):
            value = kind(text)
        elif get_origin(kind) is tuple:
            value = [one.strip() for one in text.split(",") if one.strip()]
        elif get_origin(kind) is Literal:
            value = text.lower()
    except (KeyError, ValueError) as error:
        raise StudioError(f"{what} takes {_wanted(kind)}, not '{text}'.") from error
    return _fitting(value, kind, what)


def _positive(value: float, what: str) -> float:
    if value < 0:
        raise StudioError(f"{what} takes a number from 0, not {value:g}.")
    return value


# ---------------------------------------------------------------------- shown


def describe(found: Effective, limits: Limits) -> str:
    """What holds as a file of settings, with where each line comes from."""
    options = found.settings.model_dump()
    options["database"] = _without_password(found.settings.database)
    options["token"] = "(not shown)" if found.settings.token else ""
    lines = [f"# {found.file}{'' if found.file.is_file() else ' (which is not there)'}"]
    lines += [f"{name} = {_toml(value)}  # {found.sources[name]}" for name, value in options.items()]
    lines += ["", f"[{TABLE}]"]
    usual = Limits().here(local=True)
    for name in limits_to_set():
        value = getattr(limits, name)
        source = DEFAULT if value == getattr(usual, name) else ON_A_NETWORK
        if name in found.given:
            source = found.given[name].source
        lines.append(f"{name} = {_toml(value)}  # {source}")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _without_password(address: str) -> str:
    if not address:
        return ""
    from foundation.jobs.store.database import parse_address

    return parse_address(address).render_as_string(hide_password=True)
