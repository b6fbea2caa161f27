"""Jobs on disk: a state that no kill can leave half, found again by every later version.

- `model` has the values: states, requests, records, snapshots.
- `store` writes them: rows of a `database` (`tables`, which `migrations` make; `records`, `owners`), and a folder for
  the files of each job, with a copy of its record (`copies`), from which a lost database is made anew.
- `locks` keep other processes out; `scratch` is a store for one job of a command line.
"""
