"""Flags that are made of the fields of a configuration."""

import argparse
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from foundation.command_line.arguments import number
from foundation.command_line.flags import AsFlag, Asked, add_flags, given, read_flags
from foundation.files.places import user_path


class Config(BaseModel):
    """A field of every kind; `hidden` has no description, and so no flag."""

    others: Annotated[tuple[str, ...], AsFlag(("others",), metavar="MODEL")] = Field((), description="more of them")
    count: Annotated[int, AsFlag(("-n", "--count"))] = Field(500, ge=0, le=1000, description="images, 0 = all")
    share: float = Field(0.5, ge=0, le=1, description="a part of 100%")
    eps: Annotated[float, AsFlag(levels=True)] = Field(8 / 255, ge=0, le=1, description="a budget")
    budgets: Annotated[tuple[float, ...], AsFlag(levels=True, shown="")] = Field((0.0,), description="budgets")
    match: Literal["", "name", "order"] = Field("name", description="how they match")
    preset: Annotated[str, AsFlag(choices=lambda: ("a", "b"), shown="the best")] = Field("a", description="which")
    attack_all: bool = Field(True, description="attack all")
    cascade: bool = Field(False, description="one after the other")
    hidden: str = ""


def parser(*names: str, **defaults: object) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False)
    add_flags(made, Config, names or None, defaults)
    return made


def read(*words: str) -> dict[str, object]:
    return given(parser().parse_args(words), Config)


def test_what_is_not_said_leaves_no_trace() -> None:
    assert read() == {} or read() == {"others": []}
    assert Config(**{"others": (), **read()}) == Config()  # type: ignore[arg-type]


def test_values_are_those_of_the_fields() -> None:
    words = ["x", "y", "-n", "7", "--share", "0.25", "--eps", "6", "--budgets", "0", "255", "--match", "order"]
    found = Config.model_validate(read(*words, "--preset", "b", "--no-attack-all", "--cascade"))
    assert found.others == ("x", "y") and (found.count, found.share, found.match) == (7, 0.25, "order")
    assert found.eps == pytest.approx(6 / 255) and found.budgets == (0.0, 1.0)
    assert (found.preset, found.attack_all, found.cascade) == ("b", False, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--count", "1001"], "'1001' is no whole number from 0 to 1,000"),
        (["--share", "1.5"], "'1.5' is no number from 0 to 1"),
        (["--eps", "256"], "'256' is no number from 0 to 255"),
        (["--match", ""], "invalid choice: ''"),
        (["--preset", "c"], "invalid choice: 'c'"),
    ],
)
def test_ranges_and_choices_are_the_fields(words: list[str], says: str) -> None:
    with pytest.raises(argparse.ArgumentError, match=says):
        parser().parse_args(words)


def test_the_help_is_the_description_with_the_default() -> None:
    words = " ".join(parser().format_help().split())
    for said in (
        *("-n COUNT, --count COUNT images, 0 = all (default: 500)", "a part of 100% (default: 0.5)"),
        *("a budget in grey levels of 255 (default: 8)", "how they match (default: name)", "which (default: the best)"),
        *("--attack-all, --no-attack-all attack all (default: yes)", "MODEL more of them"),
    ):
        assert said in words
    assert "budgets (default" not in words and "one after the other (default" not in words and "hidden" not in words


def test_some_fields_alone_and_other_defaults() -> None:
    words = parser("count", count=3).format_help()
    assert "images, 0 = all (default: 3)" in words and "--share" not in words


class Task(Asked):
    """What commands have beside the fields of configurations."""

    run: Annotated[Path, AsFlag(("run",), read=user_path)] = Field(description="a folder")
    more: Annotated[str, AsFlag(("more",))] = Field("", description="by its place, and may be left out")
    name: str = Field(description="has to be given")
    changes: Annotated[tuple[str, ...], AsFlag(("--set",), repeats=True, metavar="KEY=JSON")] = Field(
        (), description="several"
    )
    speed: Annotated[tuple[float, float] | None, AsFlag(read=number(0, 9), metavar=("UP", "DOWN"))] = Field(
        None, description="two"
    )
    limit: int | None = Field(None, ge=1, le=9, description="a number, or none")
    mirror: bool | None = Field(None, description="yes, no, or as it was")
    judge: Annotated[bool | None, AsFlag(two_ways=False)] = Field(None, description="yes, or as it was")
    kept: Annotated[bool, AsFlag(("--no-kept",), turns_off=True, shown="")] = Field(True, description="leave it out")
    device: Annotated[str, AsFlag(read=str.lower, choices=lambda: ("cpu", "cuda"))] = Field("cpu", description="where")


def asked(*words: str, in_full: bool = False) -> argparse.Namespace:
    made = argparse.ArgumentParser(exit_on_error=False)
    add_flags(made, Task, in_full=in_full)
    return made.parse_args(words)


def test_a_command_is_told_by_flags_and_by_places() -> None:
    words = ["a/b", "--name", "x", "--set", "k=1", "--set", "l=2", "--speed", "1", "2.5", "--limit", "9"]
    found = read_flags(asked(*words, "--no-mirror", "--judge", "--no-kept", "--device", "CUDA"), Task)
    assert found == Task(
        run=Path("a/b"),
        name="x",
        changes=("k=1", "l=2"),
        speed=(1.0, 2.5),
        limit=9,
        mirror=False,
        judge=True,
        kept=False,
        device="cuda",
    )
    assert read_flags(asked("a", "b", "--name", "x"), Task) == Task(run=Path("a"), more="b", name="x")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a"], "required: --name"),
        (["--name", "x"], "required: run"),
        (["a", "--name", "x", "--speed", "1"], "expected 2 arguments"),
        (["a", "--name", "x", "--speed", "1", "10"], "'10' is no number from 0 to 9"),
        (["a", "--name", "x", "--limit", "0"], "'0' is no whole number from 1 to 9"),
        (["a", "--name", "x", "--device", "tpu"], "invalid choice: 'tpu'"),
    ],
)
def test_what_is_missing_or_wrong_is_said(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)) as refused:
        asked(*words)
    assert says in f"{refused.value} {capsys.readouterr().err}"


def test_in_full_the_namespace_has_what_was_not_given() -> None:
    found = asked("a", "--name", "x", "--set", "k=1", in_full=True)
    whole = {"run": Path("a"), "more": "", "name": "x", "changes": ["k=1"], "speed": None, "limit": None}
    assert vars(found) == {**whole, "mirror": None, "judge": None, "kept": True, "device": "cpu"}
    assert asked("a", "--name", "x", in_full=True).changes == []  # what was added before is not kept


def test_a_path_that_nobody_reads_is_a_mistake_of_ours() -> None:
    class Bare(Asked):
        out: Path | None = Field(None, description="somewhere")

    with pytest.raises(AssertionError, match="'out' needs a way to read paths"):
        add_flags(argparse.ArgumentParser(), Bare)
