"""Vision-language victims on the command line: their flags, and what came of them."""

import argparse
from typing import Annotated

from pydantic import Field

from foundation.command_line.flags import AsFlag, Asked, add_flags
from foundation.errors import StudioError
from generator.classes.names import Names
from generator.vlm.asking import Answered, ReadSettings, Wanted, describe_cases, no_settings
from generator.vlm.describing import QUESTION, Inquiry
from generator.vlm.scoring import parse_keywords
from generator.vlm.settings import NOT_CONFIGURED

__all__ = [
    "Answered",
    "ReadSettings",
    "Wanted",
    "add_vlm_flags",
    "describe_cases",
    "is_vlm",
    "no_settings",
    "read_wanted",
    "summary",
]

VICTIM = "vlm"
"""What the model of the settings goes by among victims; others of its server are vlm:MODEL."""
_PREFIX = f"{VICTIM}:"
_MOST_SAMPLES, _MOST_SEED, _LONGEST_QUESTION = 100, 2**31 - 1001, 2000
_FLAGS = ("question", "samples", "seed", "keyword", "similarity", "judge")


def is_vlm(victim: str) -> bool:
    """Whether a victim is named that is asked over the network."""
    return victim.partition("=")[0] == VICTIM or victim.startswith(_PREFIX)


class VlmAsked(Asked):
    """What can be said about the questions; where they go, and with what key, is for the server's settings."""

    vlm_question: Annotated[str | None, AsFlag(metavar="TEXT", shown=QUESTION)] = Field(
        None, description="what they are asked"
    )
    vlm_samples: Annotated[
        int | None, AsFlag(metavar="N", read=int, shown=str(Inquiry.model_fields["samples"].default))
    ] = Field(None, description="answers to each picture")
    vlm_seed: Annotated[int | None, AsFlag(metavar="N", read=int, shown="0")] = Field(
        None, description="seed of the first sample"
    )
    vlm_keyword: Annotated[
        tuple[str, ...] | None, AsFlag(repeats=True, metavar="WORD", shown="the words of the target")
    ] = Field(
        None,
        description="a keyword of the target, other ways to say it after |, as in 'dog|puppy'; several times for "
        "several",
    )
    vlm_similarity: Annotated[str | None, AsFlag(metavar="MODEL", shown="the best one that is not attacked")] = Field(
        None, description="CLIP model whose text tower compares texts"
    )
    vlm_judge: Annotated[bool | None, AsFlag(two_ways=False)] = Field(
        None, description="also have a model judge how similar the texts are"
    )


def add_vlm_flags(command: argparse.ArgumentParser) -> None:
    """Add what can be said about the questions."""
    add_flags(command.add_argument_group("vision-language victims"), VlmAsked, in_full=True)


def read_wanted(arguments: argparse.Namespace, names: Names, read: ReadSettings) -> Wanted | None:
    """Return what the arguments ask of vision-language models, None if nothing. Raises StudioError."""
    victims = tuple(dict.fromkeys(name for name in arguments.victim if is_vlm(name)))
    given = {name: getattr(arguments, f"vlm_{name}") for name in _FLAGS}
    given = {name: value for name, value in given.items() if value is not None}
    if not victims:
        if given:
            raise StudioError(f"--vlm-{next(iter(given))} is for vision-language victims: add --victim {VICTIM}.")
        return None
    settings = read()
    if settings is None:
        raise StudioError(NOT_CONFIGURED)
    if "=" in "".join(victims):
        raise StudioError("A vision-language model answers in its own words: leave '=' and the list away.")
    models = tuple(settings.model if name == VICTIM else name.removeprefix(_PREFIX) for name in victims)
    if "" in models:
        raise StudioError(f"Name a model after '{_PREFIX}', or write {VICTIM} for the one of the settings.")
    similarity = given.pop("similarity", "")
    given["keywords"] = tuple(given.pop("keyword", ()))
    parse_keywords(given["keywords"], names)
    if not 1 <= given.get("samples", 1) <= _MOST_SAMPLES:
        raise StudioError(f"--vlm-samples is from 1 to {_MOST_SAMPLES}, not {given['samples']}.")
    if not 0 <= given.get("seed", 0) <= _MOST_SEED:
        raise StudioError(f"--vlm-seed is from 0 to {_MOST_SEED:,}, not {given['seed']}.")
    if "question" in given and not 1 <= len(given["question"]) <= _LONGEST_QUESTION:
        raise StudioError(f"--vlm-question has from 1 to {_LONGEST_QUESTION:,} characters.")
    return Wanted(settings, Inquiry(models=tuple(dict.fromkeys(models)), **given), similarity)


def summary(answered: Answered) -> str:
    """Return what came of asking as lines for a terminal: the table, the costs, and what failed."""
    found = answered.record
    costs = found.costs_of_this_run
    money = "" if costs.money is None else f", {costs.money:.4g} in money"
    lines = [
        answered.text,
        f"{costs.requests} requests, {costs.prompt_tokens + costs.completion_tokens:,} tokens{money}.",
    ]
    errors = dict.fromkeys(
        verdict.error or verdict.judge_error for entry in found.described for verdict in (*entry.clean, *entry.attacked)
    )
    lines += [f"Note: {error}" for error in errors if error]
    lines += [f"Note: {entry.image} ({entry.attack}): {entry.why}" for entry in found.unreadable]
    return "\n".join(lines)
