"""Fetching what a command needs before it begins."""

from collections.abc import Sequence

from pydantic import JsonValue

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Kind
from foundation.errors import StudioError
from foundation.protocols import Foreground, JobContext


def fetch_missing(
    catalogue: Catalogue, names: Sequence[str], device: str, foreground: Foreground, kind: Kind | None = None
) -> None:
    """Fetch those of the models that a user typed which are not here, with progress. Raises StudioError."""
    infos = [(name, catalogue.find(name, kind, typed=True)) for name in names]
    missing = [name for name, info in infos if info.origin == "download" and not info.ready]

    def work(context: JobContext) -> dict[str, JsonValue]:
        for name in missing:
            catalogue.fetch(name, context, kind=kind, typed=True)
        return {}

    if missing and foreground.run("fetch", device, work) is None:
        raise StudioError("The download was stopped.")
