"""Widgets that tabs share: `forms` makes them from the fields of a recipe, `job_panel` follows one job (buttons, timer,
stage), `opened` fills a tab from a picture that was opened, `remembered` (with `scripts/remembered.js`) from what a
browser kept of it, and `reuse` from a result.

`models`, `class_choice`, `budget`, `seed`, `mask` (with `scripts/painter.js`), `picture_input` and `cost_line` ask;
`layers`, `opinions` and `spectrum` show more of a result.
"""
