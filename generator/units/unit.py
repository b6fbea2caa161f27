"""What a unit is called, as text: a layer, channels of it with weights, and a position.

blocks.3                    a whole layer, as DeepDream enhances it
blocks.3:12                 a channel: its mean over all positions
blocks.3:12@centre          a neuron: a channel at one position, here the middle of the map
blocks.3:12@4,7             ... in row 4 and column 7, counted from 0; of a sequence of tokens @7
blocks.3:12*0.7-40*0.5      a direction: several channels with weights (1 where none is given)
blocks.3:-12                the opposite of a channel
"""

import re
from dataclasses import dataclass
from typing import Literal

from foundation.errors import StudioError

SYNTAX = (
    "'LAYER:CHANNEL' (the mean of a channel), 'LAYER:CHANNEL@centre' or 'LAYER:CHANNEL@ROW,COLUMN' (a neuron; of "
    "tokens '@NUMBER'), 'LAYER:3*0.7-12*0.5' (a direction: channels with weights), or 'LAYER' (all of it, as "
    "DeepDream does)"
)
CENTRE: Literal["centre"] = "centre"
MOST_DIGITS = 9
_TERM = re.compile(r"([+-]?)([0-9]+)(?:\*([0-9]+(?:\.[0-9]+)?|\.[0-9]+))?")
_CHANNELS = re.compile(rf"(?:{_TERM.pattern})(?:[+-][0-9]+(?:\*(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))?)*")
_POSITION = re.compile(r"[0-9]+(,[0-9]+)?")


class UnitError(StudioError):
    """A text that names no unit; the message says how one is written."""


@dataclass(frozen=True)
class Unit:
    """A unit of a network.

    Attributes:
        layer: the name of the module whose output it is part of.
        channels: channels, counted from 0, each with its weight; () for the whole layer.
        position: row and column, or the number of a token; None for the mean over all of them.
    """

    layer: str
    channels: tuple[tuple[int, float], ...] = ()
    position: tuple[int, ...] | Literal["centre"] | None = None


def parse_unit(text: str) -> Unit:
    """Read what is written as above. UnitError for anything else."""
    layer, colon, rest = text.strip().rpartition(":")
    if not colon:
        layer, at, _ = rest.partition("@")
        if at:
            raise UnitError(f"'{_cut(text)}' has a position but no channel: write {layer or 'LAYER'}:CHANNEL@centre.")
    if not layer:
        raise UnitError(f"'{_cut(text)}' names no layer: write {SYNTAX}.")
    if not colon:
        return Unit(layer)
    channels, at, position = rest.replace(" ", "").partition("@")
    if not _CHANNELS.fullmatch(channels):
        raise UnitError(f"'{_cut(rest)}' is no channel of a layer: write {SYNTAX}.")
    return Unit(layer, _weighted(channels), _position(position) if at else None)


def _weighted(text: str) -> tuple[tuple[int, float], ...]:
    found: dict[int, float] = {}
    for sign, digits, factor in _TERM.findall(text):
        if max(len(digits), len(factor)) > MOST_DIGITS:
            raise UnitError(f"'{_cut(text)}' has numbers of more than {MOST_DIGITS} digits.")
        channel, weight = int(digits), float(factor or 1)
        if channel in found:
            raise UnitError(f"The channel {channel} is named twice: name it once, with one weight.")
        if weight == 0:
            raise UnitError(f"The weight of channel {channel} is 0: leave it out, or give it a weight.")
        found[channel] = -weight if sign == "-" else weight
    return tuple(found.items())


def _position(text: str) -> tuple[int, ...] | Literal["centre"]:
    if text in (CENTRE, "center"):
        return CENTRE
    if not _POSITION.fullmatch(text) or len(text) > 2 * MOST_DIGITS:
        raise UnitError(f"'@{_cut(text)}' is no position: write @centre, @ROW,COLUMN or, of tokens, @NUMBER.")
    return tuple(int(part) for part in text.split(","))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
