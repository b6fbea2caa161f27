"""docs/methods.md is what its script writes, and the script reads sources as people do."""

import runpy
from typing import Any

import pytest

from tests.sources import ROOT


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts/methods.py"))


def test_the_file_is_what_the_script_writes(script: dict[str, Any]) -> None:
    assert (ROOT / "docs/methods.md").read_text(encoding="utf-8") == script["document"]()


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Nothing is cited here.", "–"),
        ("As in arXiv 2502.07753.", "[arXiv 2502.07753](https://arxiv.org/abs/2502.07753)"),
        (
            "Adam (Kingma and Ba,\n    arXiv 1412.6980), then again arXiv 1412.6980.",
            "[Kingma and Ba, arXiv 1412.6980](https://arxiv.org/abs/1412.6980)",
        ),
        (
            "Noise (de Jorge et al. 2022, arXiv 2202.01181); images (Olah et al. 2017, doi 10.23915/distill.00007).",
            "[de Jorge et al. 2022, arXiv 2202.01181](https://arxiv.org/abs/2202.01181); "
            "[Olah et al. 2017, doi 10.23915/distill.00007](https://doi.org/10.23915/distill.00007)",
        ),
    ],
)
def test_sources_have_authors_where_these_stand_before(script: dict[str, Any], text: str, links: str) -> None:
    assert script["sources"](text) == links


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One thing. Another.", "One thing"),
        (
            "Noise\n    on every value (Lin et al., arXiv 1908.06281), from 0..1.\n\n    More.",
            "Noise on every value, from 0..1",
        ),
        ("Return 1 - c, in [0, 2].", "1 - c, in [0, 2]"),
        ("Square (see `Attack`); yields after every query.\n\n    More.", "Square"),
        ("a | b", "A \\| b"),
    ],
)
def test_a_row_says_the_first_sentence(script: dict[str, Any], text: str, said: str) -> None:
    assert script["first_sentence"](text) == said


def test_every_row_has_a_name_and_says_something(script: dict[str, Any]) -> None:
    rows = [row for rows in script["sections"]().values() for row in rows]
    assert len(rows) > 70
    assert all(name and what and paper for name, what, paper in rows)
