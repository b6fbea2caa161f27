"""The classifier: one network on many resolutions, read out at many depths and answered by CrossMax.

An image on its way through the network (`Ensemble everything everywhere`, arXiv 2408.05446)::

    images [B, 3, H, W]  ->  stack  ->  backbone  ->  read-outs [B, N, C]  ->  CrossMax  ->  logits [B, C]
                            3R channels            one for each depth

1. **The network.** `model_config` says what it is, `stack` makes R resolutions of one image, `networks` are the
   backbones as chains of stages, `ensemble` reads them out at several depths, and `crossmax` makes one answer of that.
   `noise` is where random numbers of a pass come from; `frozen` and `winograd` are for passes without end.
2. **Data.** `data` reads labelled images (`class_folders`: the files of a folder); `class_match` and `kinds` say which
   class of the data is which of a model's.
3. **Training.** `train_config` is what a run is told, `presets` and `paper` are runs with a name, `run` is what all
   runs share (checkpoint, moving average, log), `training` is one run, `pipeline` several phases in one folder.
   `adversary` makes the examples that it trains against, `teaching` soft labels of other networks, `transfer` a start
   from other weights, `distributed` several processes.
4. **From a run to a model.** `card.export` writes a folder with weights, config.json and a card; `soup` averages
   models or makes an ensemble of them; `calibration` fits a temperature.
5. **Models by name.** `zoo.open_catalogue` puts the catalogue of all models together (`generator.catalogue`), of the
   encoders and of the classifiers that `sources` knows: exported ones (`registry`, `hub`), those that Python packages
   bring (`packaged`) or libraries publish (`published`), and a user's own (`own_network`). `subjects.load_subject` is
   one of them to be evaluated, `plain` a network of others as a defence, `contract` what such a network must do.
6. **Evaluation.** `attacks` breaks models, `evaluation` counts what stands, `reports` says it to people, and `analyses`
   are the measurements of the paper.

`jobs` makes training and evaluation jobs of the app's queue or of the command line. The commands are in `cli`,
`cli_evaluate`, `commands` and `analyses.cli`, run by `__main__`.

It imports the generator, and nothing else of ours.

To add an aggregator, a backbone, an attack, a suite of attacks, a kind of model or a preset, see the table in
CONTRIBUTING.md.
"""
