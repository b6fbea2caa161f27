"""Weights as files and as numbers.

- `checkpoint` writes and reads safetensors with their configuration; `weight_files` reads those of others.
- `averaging` averages weights, `calibration` fits a temperature.
"""
