"""What an attack did to which model: victims, transfer and survival tables, batches over folders.

    photos + label file -> attacking (one recipe, photo by photo) -> saved files -> victims -> transfer table -> report

- **What is attacked**: `photos` (files in folders), `label_files` (which class each shows, and should show), `aims`
  (the recipe with a photo's own classes), `saved` (pictures that others attacked).
- **The attack**: `attacking` goes through the photos and goes on where it was ended; `batch` does all and then
  measures, `stepwise` measures photo by photo.
- **Who is asked**: `victims` are classifiers and CLIP models that choose from a list (`labels`); `verdicts` are their
  answers as values, `store` keeps them on disk. `names` says when two models mean the same class.
- **What is measured**, on the saved 8-bit files: `outcome` (what counts as success), `survival` (JPEG, crops, blur...),
  `transfer` (the table), `perceptual` (distances), `line` and `saliency` (why it works).
- **What comes out**: `report` (JSON, CSV) and `report_html`. The command line is `cli`, `cli_flags` and `cli_asked`.

To add something that happens to files: a function and a line in `survival.SURVIVALS`. To add another kind of victim: a
class with `Victim`'s members; see CONTRIBUTING.md.
"""
