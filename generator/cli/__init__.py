"""The commands of `python -m generator`: flags into recipes, and recipes into files.

- `main` has the parser and runs a command; `making`, with `making_flags`, is what text, class and attack share;
  `gallery` and `grid` draw many.
- `transfer`, with `transfer_flags` and `transfer_asked`, attacks photos and asks victims; `units` draws channels; `vlm`
  asks vision-language models.

Nothing imports this package but the entry point and tests.
"""
