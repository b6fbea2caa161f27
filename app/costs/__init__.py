"""What a job would cost on this machine, said before it begins.

`estimates` counts passes and memory of a recipe, `grids` of many; `timings` keeps what passes took here, and
`calibration` measures those that never ran.
"""
