"""Pictures: tensors [B, 3, H, W] in [0, 1], and the files that hold them.

- `files` opens pictures and saves them, losslessly and rounded once; `decoding` opens any file a person brings, within
  limits; `png` writes and reads the chunks that hold a recipe, `picture_notes` what a picture says of itself.
- `pixels` converts between tensors and 8-bit pixels; `distance` measures how far apart two pictures are.
- `animation` makes films and GIFs of steps.
"""
