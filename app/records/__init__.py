"""What jobs leave behind, as values with types: handlers write them, the page reads them.

- `changes`: the change that an attack made, and its parts.
- `folders`: the result of an attack on a folder of photos.
- `pictures`: the result of a job that makes pictures, and `pictures.result_of` a job as the page sees it.

JSON is parsed here alone. A field that older jobs lack has a default, with the reason beside it; without one, what is
missing is a sentence on the stage.
"""
