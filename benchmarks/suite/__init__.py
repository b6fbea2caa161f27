"""All benchmarks by one command: `python -m benchmarks`.

Every benchmark measures sides of one thing in turn, at one size after the other: ours, the published procedure written
out, other packages where they are installed, and a floor below which nothing can be.

- `measuring`: sides, points, benchmarks, and what comes of measuring them; `peers`: the other packages.
- `literal`: published procedures as their papers write them; `pictures`: what is shown to models.
- `networks`, `priors`, `texts`, `attacks`, `tables`, `starts`: the benchmarks; `registry` has them by name.
- `report`: figures as JSON and Markdown; `plots`: how they grow, as SVG.

To add one: a function from a `Setting` to points, and a line in `BENCHMARKS`.
"""
