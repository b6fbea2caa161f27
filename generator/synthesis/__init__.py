"""From a recipe to a picture: four parts built from it, and the steps that move it.

- `synthesis.synthesise` builds prior, objective, views and optimiser; `apart` runs the images of a batch side by side.
- `objective` makes the loss of the recipe's classes, texts and units; `guidance` embeds its prompts and pictures.
- `answers` are what models say of pictures.
"""
