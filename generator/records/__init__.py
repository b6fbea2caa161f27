"""What is written of pictures, as values with types: the JSON beside a picture, and the parts that it is made of.

- `answers`: what a classifier says of a picture, each of its read-outs too.
- `pictures`: what came out of a recipe, and of each of its pictures; what is written beside these.

A field that older records lack has a default, with the reason beside it.
"""
