"""Reports for people and for other tools, made from the JSON report of an evaluation (see `report.schema.json`)."""

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
