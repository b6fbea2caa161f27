"""What is asked for: one value that says everything of a picture, and can be read from the picture again.

- `recipe.Recipe` is that value, `schema` has its fields for texts and attacks, `common` those of every task; `checks`
  is what fields demand of each other, `errors` says so in words, `fields` makes flags and widgets of them.
- `prompts` reads prompts, `guides` those of a recipe by their role; `pictures.Pictures` are the pictures that a recipe
  names by digest; `completion.fill_in` fills in what they leave open (size, resolutions, digests).
- `perturbations` are the forms of a change by name; `presets`, `preset` and `presets_published` are sets of fields.

To add a preset: an entry in `presets.PRESETS`. To add a kind of perturbation: one in `perturbations.PERTURBATIONS`.
"""
