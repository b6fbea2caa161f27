"""The network: many resolutions of one image, read out at many depths, answered by CrossMax (arXiv 2408.05446).

- `model_config` says what it is; `stack` makes R resolutions of one image; `networks` are backbones as chains of
  stages, `backbones` their registry, `packaged` those that Python packages bring; `ensemble` reads them out, `crossmax`
  makes one answer of that. `noise` is where random numbers of a pass come from.
- `plain` is a network of others as a defence, `contract` what such a network must do.
- `folding`, `frozen` and `winograd` are for passes without end; `train_parts` are small parts of training.

To add a backbone: an entry in `backbones.BACKBONES`. To add an aggregator: one in `crossmax.AGGREGATORS`.
"""
