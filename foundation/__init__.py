"""The ground floor: what belongs to no feature, and what all packages of ours stand on. It imports none of them.

- `errors.StudioError`: the base of everything that a user can cause and mend. `record.Record`: what is written as JSON,
  as a value with types. `protocols`: what is asked of models, and
  of whoever runs the work; `progress`: how far that is; `part_of_job`: a part of a job that has its own count.
- `devices` and `memory` of the machine, `seeds` of random numbers, `intervals` of shares, `limits` of visitors, jobs
  and the server, `choices` by name with a title and help.
- `torchvision_cure` comes before any import of torchvision, timm or open_clip, which `lean_vision` shortens.
- `files`: reading and writing a user's files and our own. `images`: pictures as tensors, and as files.
- `downloads`: fetching weights, resumed and checked. `catalogue`: all models by name.
- `jobs`: work that is queued, stopped, resumed and kept, and its store.
- `command_line`: what all commands share. `cluster`: parts of a job on many machines.
"""
