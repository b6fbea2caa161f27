"""The random changes under which a picture is scored, differentiable in it.

- `registry` has the views by name, and `registry.parse_views`, which reads a list of them; `text` is how they are
  written.
- `windows` are crops and shifts, `transfer` views of published transfer attacks, `jpeg` a differentiable JPEG; `shown`
  counts what a view costs.

To add a view: a class and a line in `registry.VIEWS`.
"""
