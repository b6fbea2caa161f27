"""What moves a picture: update rules, and the loop that applies them.

- `registry` has the optimisers and update rules by name; `projected` are those of attacks within a budget.
- `loop.optimise` is an iterator with one `Step` at a time, whoever drives it; `best_step` keeps the best of them.

To add an update rule: a function and a line in `registry`.
"""
