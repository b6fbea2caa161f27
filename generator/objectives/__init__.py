"""What a picture is scored by: losses that are minimised, one number for each picture.

- `base` has the sum of weighted terms, for one model or several; `weighting` shifts the weights while it runs.
- `classes` raises or lowers classes of a classifier; `readout` does so at one depth of a network.
- `similarity` works in the space of a CLIP encoder: texts, directions, pictures.

To add an objective or a score: a function and a line in `classes.OBJECTIVES` or `similarity.SCORES`.
"""
