"""What jobs are told and what they leave behind, as values with types: the page and handlers write and read them.

- `changes`: the change that an attack made, and its parts.
- `findings`: what was found out about an attack on one photo, as it comes.
- `folders`: the same for a folder of photos, and the result of such a job; `grids`: of a grid.
- `params`: what a job of each kind is told.
- `pictures`: the result of a job that makes pictures, which `pictures.result_of` reads.

JSON is parsed here alone. A field that older jobs lack has a default, with the reason beside it; without one, what is
missing is a sentence on the stage.
"""
