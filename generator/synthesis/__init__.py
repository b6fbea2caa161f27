"""From a recipe to a picture: four parts built from it, and the steps that move it.

- `plan.plan_of` reads a recipe once, for the models and pictures that it is made with; all else here, and above, takes
  its `plan.Plan`. `models` are those that it uses, `named` the classes that it names, `words` what encoders read,
  `leading` what classifiers draw of a text, `drawers` who draws where nobody says.
- `synthesis.follow` builds prior, objective, views and optimiser of a plan (`synthesis.synthesise`: of a recipe);
  `apart` runs the images of a batch side by side.
- `objective` makes the loss of the plan's classes, texts and units; `guidance` embeds its prompts and pictures.
- `answers` are what models say of pictures.
"""
