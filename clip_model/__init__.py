"""The small CLIP: trained from nothing on small images, exported as open_clip loads it.

    data (images) + concepts, captions (texts) -> training (model, losses) -> export -> assets/tiny-clip -> zero_shot

- `concepts` are the classes of the data and what they are in general, with synonyms; `captions` puts names into
  templates, with attributes that the image itself gives; `data` joins Tiny-ImageNet and CIFAR-10.
- `train_config` is what a run is told, `training` the run (checkpoint, average and log are
  `robust_model.training.run`'s), `losses` the contrastive ones with several positives, `model` the network by
  open_clip's own JSON.
- `export` writes the folder with a card and the vocabulary, and averages exported weights; `zero_shot` evaluates.
- `cli` has the commands `train | export | average | evaluate | card`, run by `__main__`.

In use it is an encoder like any other of `generator.encoders`, found by its name `tiny-clip`.
"""
