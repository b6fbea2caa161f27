"""Gradio's scripts are sent without what they do over and over: those of the pinned version, and no others."""

from pathlib import Path

import brotli
import pytest

from app.web.frontend import PLACES, assets, lean, lean_files
from tests.app.web.conftest import Site


def test_each_place_is_there_in_the_pinned_version() -> None:
    """And in one file: else the page would come as slowly as before, and nothing would say so."""
    files = lean_files()
    assert sorted(name.partition("-")[0] for name in files) == sorted(PLACES)
    for name, text in files.items():
        before = (assets() / name).read_text(encoding="utf-8")
        changes = PLACES[name.partition("-")[0]]
        assert all(old not in text and text.count(new) == 1 for old, new in changes.items())
        assert len(text) - len(before) == sum(len(new) - len(old) for old, new in changes.items())


@pytest.mark.parametrize("begin", PLACES)
def test_a_file_has_all_of_its_places_or_stays_as_it_is(begin: str, tmp_path: Path) -> None:
    places = list(PLACES[begin])
    whole = ";".join(places)
    assert lean(f"{begin}-abc.js", whole) == ";".join(PLACES[begin].values())
    for other in (whole.replace(places[-1], "x"), f"{whole};{places[0]}"):
        assert lean(f"{begin}-abc.js", other) == other
    assert lean("Other-abc.js", whole) == whole
    (tmp_path / f"{begin}-abc.js").write_text(whole.replace(places[0], "x"))
    assert lean_files(tmp_path) == {}


def test_the_page_is_sent_these_packed_and_the_others_as_they_are(site: Site) -> None:
    changed = lean_files()
    other = next(path for path in sorted(assets().glob("Index-*.js")) if path.name not in changed)
    for name, text in {**changed, other.name: other.read_text(encoding="utf-8")}.items():
        answer = site.client().get(f"/assets/{name}")
        assert answer.status == 200 and answer.body.decode() == text
        packed = site.client().get(f"/assets/{name}", headers={"Accept-Encoding": "br"})
        assert packed.headers["content-encoding"] == "br" and brotli.decompress(packed.body) == answer.body
