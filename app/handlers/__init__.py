"""The work behind each kind of job, and the page's questions about models and pictures that need none.

- `registry.make_handlers` has a handler for each kind of job.
- text, image, attack: `pictures` (recipe to files), `drawing` (here, or by a worker of a cluster), then `layers`,
  `changes`, `onlookers`; of attacks also `exploring` and `exploring_pictures` (who falls, what survives), `describing`
  (vision-language models); `folders` for many photos, `grids` for many pictures of a recipe. `findings` reads again
  what they wrote; `units` lists the layers of a network.
- `costs` says what a job would take, `measurements` answers questions about pictures, in threads of its own.

To add a kind of job: a handler in `registry.make_handlers`, its cost in `costs`.
"""
