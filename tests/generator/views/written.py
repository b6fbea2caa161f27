"""Views as people write them: what `parse_views` reads back, as a calculation of its own."""

from dataclasses import astuple

from generator.views.registry import VIEWS, Compose, Jpeg, OneOf, TextView
from generator.views.text import OneRange, number_text
from generator.views.transfer import DiverseInput
from generator.views.windows import RandomWindow, Shift


def written(views: Compose) -> str:
    """A text from which `parse_views` makes equal views."""
    return " | ".join(
        " or ".join(map(_one, view.views)) if isinstance(view, OneOf) else _one(view) for view in views.views
    )


def _one(view: TextView) -> str:
    name = next(name for name, kind in VIEWS.items() if kind is type(view))
    argument = _argument(view)
    return f"{name}:{argument}" if argument else name


def _argument(view: TextView) -> str:
    match view:
        case RandomWindow():
            return f"{view.pixels}:wrap" if view.wrap else str(view.pixels)
        case Shift():
            return f"{view.max_pixels}:pad" if view.pad else str(view.max_pixels)
        case Jpeg():
            return _range(view.quality_min, view.quality_max) + (":420" if view.subsample else "")
        case DiverseInput():
            return f"{number_text(view.p)}:{number_text(view.rate)}"
        case OneRange():
            return _range(*astuple(view))
    return "".join(map(number_text, astuple(view)))  # none or one


def _range(low: float, high: float) -> str:
    return number_text(low) if low == high else f"{number_text(low)}-{number_text(high)}"
