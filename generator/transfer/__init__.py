"""What an attack did to which model: transfer and survival tables, batches over folders.

    photos + label file -> attacking (one recipe, photo by photo) -> saved files -> victims -> transfer table -> report

- **What is attacked**: photos and their labels (`generator.inputs`), `aims` (the recipe with a photo's own classes),
  `saved` (pictures that others attacked).
- **The attack**: `attacking` goes through the photos and goes on where it was ended; `batch` does all and then
  measures, `stepwise` measures photo by photo.
- **Who is asked**: `generator.victims`.
- **What is measured**, on the saved 8-bit files: `outcome` (what counts as success), survival, `table` (who falls),
  `perceptual` (distances).
- **What comes out**: `report` (JSON, whose types are in `record`, and CSV) and `report_html`.
"""
