"""What an evaluation is told, and what it says: values with types.

- `config` is what decides the numbers. `schema` is the report, made of `values`; `scripts/report_schemas.py` makes its
  JSON schema of it.
- `reading` takes reports from files again, of older versions too (`migration`).

To add a field to the report: one of `schema`, a `Maybe` that reports of before lack, then run that script.
"""
