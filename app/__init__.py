"""CrossMax Studio in the browser: the page, the jobs behind it, and the gate before both.

A click on its way to a result::

    browser -> web (gate) -> ui (page, tabs) -> foundation.jobs (queue) -> handlers -> generator, robust_model
               result in the job's folder  <-  findings, files  <-----------------'
               ui polls the job's snapshot, and shows its files by signed addresses

1. **Starting.** `settings` says how: flags, variables and `settings_file` in one; `logs` what is said of it. `__main__`
   puts the parts together:
   data directory, models, the job service, the page; `server` serves them, behind `web`. `foundation.limits` has every
   limit of a visitor, a job and the server in one place.
2. **Asking.** `ui` makes a recipe, or another order, of widgets. `costs` says what it would cost on this machine;
   `visitors` keeps what came along, and `accounts` knows whose it is where people log in.
3. **Working.** `handlers` has one for each kind of job, and `evaluation` what an evaluation needs beside it.
4. **Showing.** Handlers write JSON and PNG into the job's folder; `ui` makes markup of them. The types of that, and of
   what jobs are told, are in `records`.
5. **For programs.** `api` does the same over HTTP, as JSON with types, beside the page and behind the same gate.
6. **Keeping order.** `upkeep` lets old results and pictures go; `model_list` says what models there are; `users` is the
   command for accounts.

Gradio is imported by this package alone. What a browser sends names models of the lists and digests of uploads, never a
path. What its import would do for developers is left out (`lean_gradio`).

To add a kind of job: a handler in `handlers.registry`, its cost in `handlers.costs`. To add a tab: a class like
`ui.classes.tab`, built in `ui.page`. See also CONTRIBUTING.md.
"""

from app.lean_gradio import prepare

__version__ = "0.1.0"

_lean_gradio = prepare()
