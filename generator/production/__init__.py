"""From a picture to files: made, measured on what was saved, recorded.

- `production.produce` saves pictures and the record, measured on the saved files (`measuring`, `unit_answers`).
- `making` makes a batch, and `redrawing` draws anew what ran away; `series` draws one picture for each of many prompts.
- `unit_grid` draws the channels of a layer on one sheet; `exports` writes layers and steps as files.
"""
