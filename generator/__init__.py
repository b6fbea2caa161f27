"""Images by optimisation: pictures of texts and classes, and attacks on photos, as sums of layers of many resolutions.

The way of a picture, from what was asked for to the file::

    flags, widgets, a PNG  ->  Recipe  ->  synthesise  ->  optimise  ->  produce  ->  PNG with its recipe, JSON record

The rooms, each above those that it uses:

1. **What a picture is.** `views` change it at random; `priors` hold it, as layers of many resolutions or as pixels,
   within a bound.
2. **What it is scored by.** `objectives`: of classes, and of texts and pictures in the space of an encoder; `units` of
   a network.
3. **What moves it.** `optimisers`, and the loop that is an iterator with one `Step` at a time.
4. **What is asked.** `recipes`: the one type that says everything, its fields, checks and presets. `classes` finds each
   model's own name of a class.
   `records` are the types of what is written of a picture.
5. **The work.** `synthesis` builds the four parts from a recipe and runs them; `production` saves pictures and the
   record, measured on the saved files; `grids` makes a table of pictures, with two fields changed.
6. **Attacks on many.** `inputs` are a user's photos and labels, `victims` the models that are asked, `transfer` who
   falls and what survives; `vlm` asks vision-language models behind an endpoint.
7. **Commands.** `cli`, run by `__main__`.

Beside them: `encoders`, the CLIP models of open_clip. This package stands on `foundation` and imports nothing else of
ours: models are handed in, as `Classifier` or `Encoder` of `foundation.protocols`.

To add an objective, a view, an update rule, a kind of perturbation or a preset, see the table in CONTRIBUTING.md.
"""
