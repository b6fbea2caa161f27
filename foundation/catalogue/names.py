"""Names of repositories on the Hugging Face hub, which say what lies there."""

from collections.abc import Mapping

from foundation.catalogue.entry import Kind

PREFIXES: Mapping[Kind, str] = {"classifier": "crossmax-hub:", "encoder": "clip-hub:"}
OLD_PREFIX = "hf-hub:"
"""What open_clip writes; our classifiers on the hub were written so, too: alone it does not say what is meant."""


def spelled(name: str, kind: Kind) -> str:
    """The name as it is written where only a model of this kind can be meant."""
    return PREFIXES[kind] + name.removeprefix(OLD_PREFIX) if name.startswith(OLD_PREFIX) else name
