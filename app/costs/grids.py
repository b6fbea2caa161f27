"""What many pictures cost together, each its own job as far as it costs time."""

from collections import Counter
from collections.abc import Callable, Iterable

from app.costs.estimates import Cost
from app.costs.timings import COSTLY
from generator.recipes.recipe import Recipe


def together(recipes: Iterable[Recipe], cost: Callable[[Recipe], Cost]) -> Cost:
    """What recipes cost one after the other: their seconds together, and the memory of the largest.

    `cost` is asked once for those that cost the same. Raises what it raises; there is at least one recipe.
    """
    first: dict[str, Recipe] = {}
    counts: Counter[str] = Counter()
    for recipe in recipes:
        facts = recipe.model_dump_json(include=set(COSTLY))
        first.setdefault(facts, recipe)
        counts[facts] += 1
    each = [(cost(recipe), counts[facts]) for facts, recipe in first.items()]
    steps = sum(count * one.steps for one, count in each)
    number = sum(count * first[facts].steps for facts, count in counts.items())
    return Cost(
        steps=steps,
        after=sum(count * one.after for one, count in each),
        bytes=max(one.bytes for one, _ in each),
        per_step=steps / number,
    )
