"""Pure functions from a snapshot, or findings, to HTML. `markup` has what escapes texts; `media` signs the addresses of
files.

`results` and `stage` show jobs that ended and that run; `gallery`, `charts`, `spectrum_chart` and `nearness` are parts
of them. `theme` and `style.css` are the style.
"""
