"""Reports for people and for other tools, made from the report of an evaluation (see
`robust_model.evaluation.record.schema`).

`words` says numbers in words for all others; `html` is the page (`markup`, `plots`, `samples`, report.css), `markdown`
a table for a card, `compare` holds several reports side by side, `robustbench` writes RobustBench's entry.

`report.schema.json` is written from that module by `python scripts/report_schemas.py`; a test holds it to it. A report
is read from a file by `robust_model.evaluation.record.reading`, which also brings those of older versions to today's
form.
"""

from robust_model.reports.compare import Comparison, compare
from robust_model.reports.html import render_html
from robust_model.reports.markdown import render_markdown
from robust_model.reports.robustbench import DATASETS, model_info
from robust_model.reports.schema_files import SCHEMA_PATH

__all__ = [
    "DATASETS",
    "SCHEMA_PATH",
    "Comparison",
    "compare",
    "model_info",
    "render_html",
    "render_markdown",
]
