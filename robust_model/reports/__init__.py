"""Reports for people and for other tools, made from the JSON report of an evaluation (see `report.schema.json`).

`words` says numbers in words for all others; `html` is the page (`markup`, `plots`, `samples`, report.css), `markdown`
a table for a card, `compare` holds several reports side by side, `robustbench` writes RobustBench's entry.

What an evaluation adds to its report is added to `report.schema.json`, too; tests hold reports to it.
"""

from robust_model.reports.compare import Comparison, compare
from robust_model.reports.html import render_html
from robust_model.reports.markdown import render_markdown
from robust_model.reports.robustbench import DATASETS, model_info
from robust_model.reports.words import SCHEMA_PATH, readable

__all__ = [
    "DATASETS",
    "SCHEMA_PATH",
    "Comparison",
    "compare",
    "model_info",
    "readable",
    "render_html",
    "render_markdown",
]
