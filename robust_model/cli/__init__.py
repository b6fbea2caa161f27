"""The commands of `python -m robust_model`: `main` has the parser, training and export; `evaluate`, `analyse` and
`cost` are one command each. Nothing imports this package but its entry point and tests; what `clip_model` shares is in
`robust_model.commands`.
"""
