"""Captions: names in templates, with simple attributes that the image itself gives (colours, light or dark)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from clip_model.concepts import Concept

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
LIGHTS = ("dark", "bright")
NONE = -1
"""An attribute that an image doesn't clearly have."""

TEMPLATES = (
    "{a}",
    "{name}",
    "a photo of {a}",
    "a picture of {a}",
    "an image of {a}",
    "a close-up of {a}",
    "a photo of the {name}",
)
_COLOUR_TEMPLATES = ("{a:colour}", "{colour} {name}", "a photo of {a:colour}", "{a} that is {colour}")
_GROUND_TEMPLATES: dict[str, tuple[str, ...]] = {
    "blue": ("{a} in blue water", "{a} under a blue sky", "{a} on a blue background", "{a} in the blue sea"),
    "green": ("{a} on green grass", "{a} in a green field", "{a} on a green background", "{a} among green leaves"),
    "white": ("{a} on a white background", "{a} in the snow", "{a} on white"),
    "black": ("{a} on a black background", "{a} in the dark", "{a} at night"),
}
_LIGHT_TEMPLATES = {
    "dark": ("a dark photo of {a}", "{a} at night", "a dark {name}"),
    "bright": ("a bright photo of {a}", "{a} in bright light", "a bright {name}"),
}
_COLOUR_ALONE = (
    "{colour}",
    "something {colour}",
    "a {colour} thing",
    "a {colour} picture",
    "a photo of something {colour}",
)
_LIGHT_ALONE = ("a {light} picture", "a {light} photo", "{light}")


def article(noun: str) -> str:
    """The noun phrase with its indefinite article."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def fill(template: str, name: str, colour: str = "", light: str = "") -> str:
    """The template with a name, a colour and a light put in."""
    text = template.replace("{a:colour}", article(f"{colour} {name}")).replace("{a}", article(name))
    return text.replace("{name}", name).replace("{colour}", colour).replace("{light}", light)


class Draw:
    """Random choices from one generator."""

    def __init__(self, rng: torch.Generator) -> None:
        self._rng = rng

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(torch.randint(n, (), generator=self._rng))

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return float(torch.rand((), generator=self._rng)) < p

    def one(self, options: Sequence[str]) -> str:
        """One of the options."""
        return options[self.below(len(options))]

    def name(self, concept: Concept) -> str:
        """One of the concept's names, the usual one more often than not."""
        return concept.names[0] if self.chance(0.5) else self.one(concept.names)


def plain_caption(concept: Concept, draw: Draw) -> str:
    """A caption that names the concept."""
    return fill(draw.one(TEMPLATES), draw.name(concept))


def rich_caption(concept: Concept, attributes: Sequence[int], draw: Draw) -> tuple[str, tuple[int, int, int]]:
    """A caption that also names one attribute of `attributes` (subject colour, ground colour, light), if any.

    Returns it with the attributes that it names, `NONE` where it names none.
    """
    subject, ground, light = (int(a) for a in attributes)
    clear = (subject != NONE, ground != NONE and COLOURS[ground] in _GROUND_TEMPLATES, light != NONE)
    kinds = [kind for kind, usable in enumerate(clear) if usable]
    named = [NONE, NONE, NONE]
    if kinds:
        # Colours of the subject are what people ask for most.
        kind = 0 if 0 in kinds and draw.chance(0.6) else kinds[draw.below(len(kinds))]
        named[kind] = (subject, ground, light)[kind]
    which = (named[0], named[1], named[2])
    return with_attributes(concept, which, draw), which


def with_attributes(concept: Concept, attributes: Sequence[int], draw: Draw) -> str:
    """A caption that names the concept and the first attribute that is given."""
    subject, ground, light = attributes
    if subject != NONE:
        return fill(draw.one(_COLOUR_TEMPLATES), draw.name(concept), COLOURS[subject])
    if ground != NONE:
        return fill(draw.one(_GROUND_TEMPLATES[COLOURS[ground]]), draw.name(concept))
    if light != NONE:
        return fill(draw.one(_LIGHT_TEMPLATES[LIGHTS[light]]), draw.name(concept))
    return plain_caption(concept, draw)


def other_attributes(named: Sequence[int], draw: Draw) -> tuple[int, int, int]:
    """The attributes with the one that is named exchanged for another: what the image is not."""
    grounds = [COLOURS.index(c) for c in _GROUND_TEMPLATES]
    options = (list(range(len(COLOURS))), grounds, list(range(len(LIGHTS))))
    changed = [NONE, NONE, NONE]
    for kind, value in enumerate(named):
        if value != NONE:
            others = [o for o in options[kind] if o != value]
            changed[kind] = others[draw.below(len(others))]
    return changed[0], changed[1], changed[2]


def attribute_captions(draw: Draw) -> tuple[list[str], list[str]]:
    """One text for every colour, and one for every light, that name nothing else."""
    return (
        [fill(draw.one(_COLOUR_ALONE), "", colour=c) for c in COLOURS],
        [fill(draw.one(_LIGHT_ALONE), "", light=x) for x in LIGHTS],
    )


def every_text(concepts: Sequence[Concept]) -> list[str]:
    """Texts that together hold every word that can occur in a caption."""
    names = [name for concept in concepts for name in concept.names]
    grounds = [t for group in (*_GROUND_TEMPLATES.values(), *_LIGHT_TEMPLATES.values()) for t in group]
    shells = [*TEMPLATES, *_COLOUR_TEMPLATES, *grounds, *_COLOUR_ALONE, *_LIGHT_ALONE]
    frames = [fill(t, noun, colour="red", light="dark") for t in shells for noun in ("thing", "orange")]
    return [*names, *(article(name) for name in names), *frames, *COLOURS, *LIGHTS]


# ---------------------------------------------------------------------- attributes of images


def attributes_of(images: Tensor) -> Tensor:
    """Colours and light of 8-bit images [N, 3, H, W]: int8 [N, 3] of subject colour, ground colour and light.

    The subject is the middle half of each side, the ground the outermost sixth. A colour counts if it covers enough
    of its region (two fifths of the middle, three fifths of the rim); brightness if the mean is below 0.28 or
    above 0.72.
    """
    _, _, height, width = images.shape
    names = _pixel_colours(images)  # [N, H, W]
    middle = torch.zeros(height, width, dtype=torch.bool)
    middle[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    rim = torch.ones(height, width, dtype=torch.bool)
    rim[height // 6 : height - height // 6, width // 6 : width - width // 6] = False
    mean = images.float().mean(dim=(1, 2, 3)) / 255
    light = torch.full_like(mean, NONE)
    light[mean < 0.28], light[mean > 0.72] = 0, 1
    return torch.stack([_dominant(names[:, middle], 0.4), _dominant(names[:, rim], 0.6), light.long()], 1).to(
        torch.int8
    )


def _dominant(names: Tensor, share: float) -> Tensor:
    """The most frequent colour [N] of pixels [N, P], or NONE where it covers less than `share` (grey: half more)."""
    counts = torch.stack([(names == c).float().mean(1) for c in range(len(COLOURS))], 1)
    best, index = counts.max(1)
    grey = index == COLOURS.index("grey")  # so much is greyish that only little else may be there
    return index.masked_fill(best < torch.where(grey, 1.5 * share, share), NONE)


def _pixel_colours(images: Tensor) -> Tensor:
    """The colour's index for every pixel of 8-bit images [N, 3, H, W], by hue, saturation and value."""
    rgb = images.float() / 255
    value, low = rgb.amax(1), rgb.amin(1)
    chroma = value - low
    saturation = chroma / value.clamp(min=1e-6)
    red, green, blue = rgb.unbind(1)
    safe = chroma.clamp(min=1e-6)
    hue = (
        torch.where(
            value == red,
            ((green - blue) / safe) % 6,
            torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
        )
        * 60
    )
    found = torch.full_like(hue, COLOURS.index("red"), dtype=torch.long)
    for start, end, colour in (
        (15, 42, "orange"),
        (42, 70, "yellow"),
        (70, 165, "green"),
        (165, 262, "blue"),
        (262, 318, "purple"),
        (318, 345, "pink"),
    ):
        found[(hue >= start) & (hue < end)] = COLOURS.index(colour)
    warm = (hue < 42) | (hue >= 345)
    found[warm & (hue >= 8) & (hue < 42) & (value < 0.65)] = COLOURS.index("brown")
    found[((hue < 15) | (hue >= 318)) & (value > 0.75) & (saturation < 0.5)] = COLOURS.index("pink")
    pale = saturation < 0.18
    found[pale] = COLOURS.index("grey")
    found[pale & (value > 0.8)] = COLOURS.index("white")
    found[value < 0.18] = COLOURS.index("black")
    return found
