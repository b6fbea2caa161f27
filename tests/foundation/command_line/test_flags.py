"""Flags that are made of the fields of a configuration."""

import argparse
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from foundation.command_line.flags import AsFlag, add_flags, given


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
