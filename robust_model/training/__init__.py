"""Training: runs that can be killed at any moment and go on.

- `train_config` is what a run is told, `presets` and `paper` are runs with a name; `run` is what all runs share
  (checkpoint, moving average, log), `training` is one run, `pipeline` several phases in one folder.
- `adversary` makes the examples that it trains against, `teaching` soft labels of other networks, `start_from` a start
  from other weights, `distributed` several processes. `provenance` records where a run came from.
"""
