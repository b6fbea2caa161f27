"""Grids: one recipe with two of its fields changed, a picture for every pair of values.

- `axis` reads an axis, such as `seed=1..6`: a field of the recipe and its values; the registry of fields says what is
  one, and in which range.
- `grid.Grid` is a recipe and two axes; its cells are recipes of their own, all judged before any work.
- `spelling` writes a grid as a command and as Python that make it again.
- `running.make_grid` makes cell after cell, and goes on where it was ended; `output` writes the labelled sheet and the
  table of all cells.

Fields are not named here: a new field of a recipe is an axis at once.
"""
