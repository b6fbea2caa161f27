"""An analysis from its material to its files: the report as JSON, the figure as SVG and PNG, a page with all of it."""

import html
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from foundation.files.text_files import write_bytes
from foundation.images.files import save_png
from foundation.protocols import JobContext
from robust_model.analyses import ANALYSES, plotting
from robust_model.analyses.base import (
    AnalysedData,
    AnalysedModel,
    AnalysisConfig,
    AnalysisReport,
    Config,
    Material,
    Monitor,
    Result,
    Table,
)
from robust_model.evaluation.record.values import Passes

SCHEMA: Literal[1] = 1
"""Version of the report that every analysis writes."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; margin-bottom: 0.2rem; }}
p.context {{ color: #666; margin-top: 0; }}
figure {{ margin: 1.5rem 0; overflow-x: auto; }}
figure svg {{ max-width: 100%; height: auto; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.25rem 0.75rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; }}
code, pre {{ background: #f5f5f5; border-radius: 4px; padding: 0.1rem 0.3rem; overflow-wrap: anywhere; }}
pre {{ padding: 0.75rem; overflow-x: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="context">{context}</p>
<figure role="img" aria-label="{title}">
{svg}
</figure>
<div class="wide">
{table}
</div>
<h2>How to read it</h2>
<ul>
{notes}
</ul>
<h2>How it was made</h2>
<p><code>{command}</code></p>
<p>{facts}</p>
<details><summary>Configuration</summary>
<pre>{config}</pre>
</details>
</body>
</html>
"""


@dataclass(frozen=True)
class Found:
    """A finished analysis: its report and its pictures by file name."""

    report: AnalysisReport[Any, Any]
    pictures: Mapping[str, Image.Image]

    def text(self) -> str:
        """The report for the terminal: what was measured, the table, and what it means."""
        kept = [] if self.report.complete else ["Stopped early: only what was finished is counted."]
        lines = [plotting.context(self.report), "", table_of(self.report).text(), "", *self.report.notes, *kept]
        return "\n".join(lines)


def analyse_job(
    context: JobContext, kind: str, config: AnalysisConfig, material: Material, *, command: str = ""
) -> Found:
    """Run the analysis `kind`, and return what it found: `complete` in its report says whether it was stopped early.

    Raises `Stopped` if it was stopped before anything was finished. `command` is what makes the report again.
    """
    monitor = Monitor(context.progress, lambda: context.stop_requested)
    analysis, started = ANALYSES[kind], time.monotonic()
    measured = analysis.measure(config, material, monitor)
    names = [name for name, _model in material.models]
    report = AnalysisReport[analysis.config, analysis.result](  # type: ignore[name-defined]  # known when it runs
        schema=SCHEMA,
        kind=kind,
        title=analysis.title,
        complete=monitor.complete,
        command=command,
        config=_settings(config, material),
        models=tuple(AnalysedModel(name=name, revision=material.revisions.get(name, "")) for name in names),
        data=_data(material, monitor),
        result=measured.result,
        notes=measured.notes,
        pictures=tuple(measured.pictures),
        passes=Passes.of(monitor.passes),
        seconds=round(time.monotonic() - started, 1),
        versions={
            "torch": torch.__version__,
            "python": platform.python_version(),
            "matplotlib": version("matplotlib"),
        },
        device=material.device,
    )
    return Found(report, measured.pictures)


def table_of(report: AnalysisReport[Config, Result]) -> Table:
    """The report's table."""
    return ANALYSES[report.kind].tabulate(report)


def write(found: Found, folder: Path) -> list[Path]:
    """Write the report, its figure, its page and its pictures into `folder`; returns the files, the page first."""
    report, kind = found.report, found.report.kind
    with plotting.styled():
        figure = ANALYSES[kind].draw(report, found.pictures)
        svg, png = (plotting.render(figure, form) for form in ("svg", "png"))
    contents = {
        "html": page(report, svg.decode()).encode(),
        "json": json.dumps(report.to_json(), indent=1).encode(),
        "svg": svg,
        "png": png,
    }
    files = [folder / f"{kind}.{suffix}" for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        write_bytes(file, content)
    if found.pictures:
        (folder / "pictures").mkdir(exist_ok=True)
    for name, picture in found.pictures.items():
        save_png(picture, folder / "pictures" / name)
    return files


def page(report: AnalysisReport[Config, Result], svg: str) -> str:
    """The report as one self-contained HTML page, with its figure as inline SVG."""
    passes = report.passes
    models = ", ".join(f"{m.name} (revision {m.revision or 'unknown'})" for m in report.models)
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    facts = f"{models}; seed {report.config.seed}; {passes.forward:,} forward and {passes.backward:,} "
    facts += f"backward passes of one image in {report.seconds:,} s on {report.device}; {versions}."
    return _PAGE.format(
        title=html.escape(report.title),
        context=html.escape(plotting.context(report)),
        svg=svg[svg.index("<svg") :],
        table=_table(table_of(report)),
        notes="\n".join(f"<li>{html.escape(note)}</li>" for note in report.notes),
        command=html.escape(report.command),
        facts=html.escape(facts),
        config=html.escape(json.dumps(report.config.model_dump(mode="json"), indent=2)),
    )


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "\n".join(["<table>", row(table.header, "th"), *(row(cells, "td") for cells in table.rows), "</table>"])


def _settings(config: Config, material: Material) -> Config:
    """The configuration; folders on this machine are not part of the result, but what they hold is."""
    names = [name for name, _model in material.models]
    changes: dict[str, object] = {"model": names[0]}
    if "others" in type(config).model_fields:
        changes["others"] = tuple(names[1:])
    if material.data is not None:
        changes["data"] = material.data.source
    return config.model_copy(update=changes)


def _data(material: Material, monitor: Monitor) -> AnalysedData | None:
    """Which images the result speaks of: after a stop, the first ones of those that were asked for."""
    if material.data is None:
        return None
    indices = tuple(material.indices[: monitor.images])
    return AnalysedData(source=material.data.source, n=len(indices), asked=len(material.data), indices=indices)
