"""What the attacks of an evaluation do, in words: their names say source and loss in those of the program."""

import re

SOURCES = {
    "mean": "the mean of the read-outs",
    "defence": "the model's own answer",
    "predictor -1": "the deepest read-out",
}
LOSSES = {
    "ce": "by cross-entropy",
    "margin": "by the margin to the next class",
    "targeted": "towards each of the likeliest other classes, by margin",
    "dlr": "by the difference-of-logits ratio",
    "targeted-dlr": "towards each of the likeliest other classes, by the difference-of-logits ratio",
}
MARKS = {
    "continued": "it goes on from where the attack before it ended",
    "shared noise": "one draw of the model's noise for all images of a pass",
    "frozen noise": "every image keeps its own draw of the model's noise",
}
_NAME = re.compile(r"(?P<rule>APGD )?(?P<source>[\w +-]+)/(?P<loss>[\w-]+)(?: \((?P<marks>[^)]*)\))?(?: #\d+)?")
_PREDICTOR = re.compile(r"predictor (-?\d+)")


def attack_words(name: str) -> str:
    """What an attack of this name does, as a sentence; empty for a name that says so itself."""
    match = _NAME.fullmatch(name)
    if match is None or match["loss"] not in LOSSES:
        return ""
    rule = "APGD" if match["rule"] else "PGD"
    marks = [MARKS[mark] for mark in (match["marks"] or "").split(", ") if mark in MARKS]
    what = f"{rule} on {_source(match['source'])}, {LOSSES[match['loss']]}"
    return f"{'; '.join([what, *marks])}."


def _source(name: str) -> str:
    counted = _PREDICTOR.fullmatch(name)
    if name in SOURCES or counted is None:
        return SOURCES.get(name, f"the read-outs combined by {name}")
    number = int(counted[1])
    return f"read-out {number + 1}, from the shallowest" if number >= 0 else f"read-out {-number}, from the deepest"
