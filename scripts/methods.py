"""Writes `docs/methods.md`: every objective, view, update rule, attack, aggregator and model, with its paper.

    python scripts/methods.py [--check]

What a row says is the first sentence of the entry's own docstring (or its title), and its sources are the arXiv numbers
and DOIs that the entry names. With --check nothing is written, and the exit status is 1 if the file is not up to date.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402 -- all of these are found by the line above

import clip_model.model  # noqa: E402
import robust_model.networks.ensemble  # noqa: E402
from foundation.command_line.program import Parser, answered, run_program  # noqa: E402
from foundation.files.text_files import read_text, write_text  # noqa: E402
from generator.encoders.catalogue import DOWNLOADABLE  # noqa: E402
from generator.objectives.classes import OBJECTIVES  # noqa: E402
from generator.objectives.similarity import SCORES  # noqa: E402
from generator.optimisers.projected import SCHEDULES  # noqa: E402
from generator.optimisers.registry import OPTIMISERS  # noqa: E402
from generator.priors.making import PRIORS  # noqa: E402
from generator.recipes.perturbations import PERTURBATIONS  # noqa: E402
from generator.recipes.presets_published import PUBLISHED_ATTACKS  # noqa: E402
from generator.units.objective import UnitObjective  # noqa: E402
from generator.views.registry import VIEWS  # noqa: E402
from robust_model.attacks import ATTACKS  # noqa: E402
from robust_model.networks.crossmax import AGGREGATORS  # noqa: E402
from robust_model.networks.model_config import ModelConfig  # noqa: E402
from robust_model.networks.networks import cifar_resnet  # noqa: E402
from robust_model.training.adversary import ADVERSARIES  # noqa: E402
from robust_model.zoo.catalogue import open_catalogue  # noqa: E402
from robust_model.zoo.registry import LOADER, read_exported  # noqa: E402

FILE = ROOT / "docs" / "methods.md"
INTRODUCTION = """\
# Methods and their papers

Written by `python scripts/methods.py` from the registries and their docstrings; a test holds it to them. "–" stands
where an entry names no paper: it is elementary, or our own. Where a method differs from its paper, the docstring of the
entry says how.
"""
NONE = "–"
_SOURCE = re.compile(r"(?:arXiv (?P<arxiv>\d{4}\.\d{4,5}))|(?:doi (?P<doi>10\.\d{4,}/[\w./-]*\w))")
_NAME = r"(?:van den |de )?[A-Z][\w-]+"
_AUTHORS = re.compile(rf"(?:{_NAME}, )*{_NAME}(?: et al\.|,? (?:and|&) {_NAME})(?: \d{{4}})?,? \(?$")
_ASIDE = re.compile(r" \((?:see `\w+`|[^()]*\b(?:arXiv|doi) [^()]*)\)|; yields .*|^Return ")
"""What a row says elsewhere, or is of no use there: sources, references, and how a function gives its answer."""

Row = tuple[str, str, str]


class _TwoClasses:
    """A stand-in for the classifier that an objective asks."""

    class_names = ("one", "another")


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring in one line, without its sources and references."""
    paragraph = " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())
    sentence = re.match(r".+?[^.]{3}\.(?= [A-Z]|$)", paragraph)
    said = _ASIDE.sub("", sentence[0] if sentence else paragraph).rstrip(".")
    return _cell(said[:1].upper() + said[1:])


def sources(text: str | None) -> str:
    """The papers that a text names, as links, with the authors where these stand directly before."""
    line = " ".join((text or "").split())
    links: dict[str, str] = {}
    for match in _SOURCE.finditer(line):
        who = _AUTHORS.search(line[: match.start()])
        name = f"arXiv {match['arxiv']}" if match["arxiv"] else f"doi {match['doi']}"
        address = f"https://arxiv.org/abs/{match['arxiv']}" if match["arxiv"] else f"https://doi.org/{match['doi']}"
        said = f"{who[0].rstrip(' (,')}, {name}" if who else name
        links.setdefault(name, f"[{said}]({address})")
    return "; ".join(links.values()) or NONE


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _row(name: str, entry: Any) -> Row:
    doc = entry if isinstance(entry, str) else (entry if inspect.isroutine(entry) else _type(entry)).__doc__
    return f"`{name}`", first_sentence(doc), sources(doc)


def _type(entry: Any) -> type:
    return entry if isinstance(entry, type) else type(entry)


def _objectives() -> Iterable[Row]:
    for name, make in OBJECTIVES.items():
        yield _row(name, make(_TwoClasses(), torch.tensor([1.0, 0.0]), torch.tensor([0])))  # type: ignore[arg-type]
    yield "a unit (`--unit`)", first_sentence(UnitObjective.__doc__), sources(UnitObjective.__doc__)


def _scores() -> Iterable[Row]:
    for name, kind in SCORES.items():
        yield _row(name, kind.make(torch.zeros(1, 2), torch.ones(1), 1.0))


def _published() -> Iterable[Row]:
    for name, preset in PUBLISHED_ATTACKS.items():
        yield f"`{name}`", _cell(preset.title), sources(preset.description)


def _classifiers() -> Iterable[Row]:
    """Those shipped: what one is built of, and the self-ensemble only where it has more than one read-out."""
    network, ensemble = cifar_resnet.__doc__, robust_model.networks.ensemble.__doc__
    for info in open_catalogue().list("classifier"):
        if info.loader != LOADER or info.folder is None:
            yield f"`{info.name}`", _cell(info.title), sources(info.paper)
        else:
            model = read_exported(info.folder).model
            plain = isinstance(model, ModelConfig) and not model.readout_depths
            yield f"`{info.name}`", _cell(info.title), sources(f"{'' if plain else ensemble} {network}")


def _encoders() -> Iterable[Row]:
    yield "`tiny-clip`", "The small CLIP that ships", sources(clip_model.model.__doc__)
    for entry in DOWNLOADABLE:
        yield f"`{entry.name}`", _cell(entry.title), sources(entry.source)


def sections() -> dict[str, Iterable[Row]]:
    """Heading -> the rows of its table."""

    def of(registry: dict[str, Any]) -> list[Row]:
        return [_row(name, entry) for name, entry in registry.items()]

    return {
        "Objectives of classes (`--objective`)": _objectives(),
        "Scores of texts and pictures (`--score`)": _scores(),
        "What is changed (`--perturbation`)": of({name: one.make for name, one in PERTURBATIONS.items()}),
        "Forms of the prior (`--form`)": of(dict(PRIORS)),
        "Views (`--views`)": of(dict(VIEWS)),
        "Update rules (`--optimiser`)": of({name: rule.make for name, rule in OPTIMISERS.items()}),
        "How steps change (`--step-schedule`)": of(dict(SCHEDULES)),
        "Attacks as they were published (`generator attack --preset`)": _published(),
        "Attacks of evaluations (`robust_model evaluate`)": of({name: kind.run for name, kind in ATTACKS.items()}),
        "Adversaries of training (`--set adversary=...`)": of(dict(ADVERSARIES)),
        "Aggregators (`--aggregator`)": of({name: getattr(one, "combine", one) for name, one in AGGREGATORS.items()}),
        "Classifiers that are here": _classifiers(),
        "CLIP models: the one that ships, and those of the list of downloads": _encoders(),
    }


def document() -> str:
    """The whole file."""
    parts = [INTRODUCTION]
    for heading, rows in sections().items():
        lines = [f"| {name} | {what} | {paper} |" for name, what, paper in rows]
        parts.append(
            "\n".join([f"## {heading}", "", "| name | what it is | paper |", "| --- | --- | --- |", *lines, ""])
        )
    return "\n".join(parts)


def main() -> int:
    """Write or check; 1 if a check fails."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")
    arguments = parser.parse_args()
    new = document()
    if arguments.check:
        same = FILE.is_file() and read_text(FILE) == new
        print(f"{FILE.name} is {'' if same else 'not '}up to date{'' if same else ': run python scripts/methods.py'}.")
        return int(not same)
    write_text(FILE, new)
    return 0


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(main)))
