"""Images by optimisation: pictures of texts and classes, and attacks on photos, as sums of layers of many resolutions.

The way of a picture, from what was asked for to the file::

    flags, widgets, a PNG  ->  Recipe  ->  synthesise  ->  optimise  ->  produce  ->  PNG with its recipe, JSON record

1. **What is asked.** `recipe` is the one type that says everything; its fields, with ranges, defaults and help, are in
   `recipe_common` (all tasks) and `recipe_schema` (texts, attacks), what they demand of each other in `recipe_checks`
   (`choices`: fields whose values are the names in a registry).
   `presets` and `presets_published` are sets of its fields; `prompts` reads prompts, `views` the views.
2. **What is left open.** `completion.fill_in` fills in size, resolutions and digests from the pictures that come along
   (`guidance.Pictures`); `class_names` and `synonyms` find each model's own name of a class.
3. **What it means.** `synthesis.synthesise` builds four parts from the recipe, each behind one small interface (the
   first by `perturbations`; a large photo is attacked by way of a `small_copy`):

   - a *prior*, which holds the picture: layers of many resolutions (`prior`, with the mathematics in `operators` and
     `kernels`) or single pixels (`pixel`), within a bound (`bounds`);
   - an *objective*, the loss to be minimised (`objectives`), put together by `recipe_objective`: of classes
     (`class_objectives`), of texts and pictures in the space of an encoder (`similarity`, `guidance`), of units of a
     network (`units`);
   - *views*, the random changes under which a picture is scored (`views`, `view_windows`, `view_transfer`, `jpeg`);
   - an *optimiser*, which moves the prior (`optimisers`, and `projected` for the update rules of attacks).

4. **The work.** `loop.optimise` is an iterator with one `Step` at a time, whoever drives it; `apart` runs the images of
   a batch side by side, `best_step` remembers the best and ends early, `redrawing` draws what ran away anew.
5. **What comes out.** `production.produce` saves the pictures (`image`, `png`, `pixels`) and the record, measured on
   the saved files (`measuring`). `layers`, `contributions`, `spectrum`, `animation` and `exports` are for looking at
   them.

Around it: `catalogue` (all models by name), `encoders` (CLIP models from open_clip), `explorer` (attacks on many
photos, and which models fall), `vlm` (vision-language models behind an endpoint as victims), `units` (pictures of
channels), `gallery` and `series` (a folder of pictures); the command line is `cli`, `cli_making` and `arguments`, run
by `__main__`; `commands` names the commands, and answers `--help` before anything is loaded.

Shared by all packages: `errors.StudioError`, the base of everything a user can cause and mend; `protocols`, what is
asked of models and of whoever runs the work (`progress`: how far it is); `text_files`, `folders` and `places` for a
user's files; `program` for commands; `torchvision_cure`, which comes before any import of torchvision, timm or
open_clip.

This package imports nothing of ours: models are handed in, as `Classifier` or `Encoder` of `protocols`.

To add an objective, a view, an update rule, a kind of perturbation or a preset, see the table in CONTRIBUTING.md.
"""
