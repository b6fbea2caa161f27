"""CrossMax Studio in the browser: the page, the jobs behind it, and the gate before both.

A click on its way to a result::

    browser -> web (gate) -> ui (page, tabs) -> jobs (queue) -> work (handler) -> generator, robust_model
               result in the job's folder  <-  findings, files  <-----------------'
               ui polls the job's snapshot, and shows its files by signed addresses

1. **Starting.** `__main__` puts the parts together: `data_dir` (where everything lies), models, the job service, the
   page; `server` serves them. `limits` has every limit of a visitor, a job and the server in one place.
2. **Asking.** `ui` makes a recipe, or another order, of widgets. `costs`, `estimates`, `timings`, `speeds` and
   `calibration` say what it would cost on this machine; `uploads` keeps the pictures that came along, each for its
   owner.
3. **Working.** `jobs` queues and runs it; `work` has a handler for each kind of job:

   - text, image, attack: `pictures` (recipe to files by `generator.production`), then `layers`, `changes`, `spectra`,
     `onlookers`; of attacks also `explorer` and `explorer_pictures` (who falls, what survives), `describing`
     (vision-language models); `folder_attacks` for many photos;
   - evaluate: `evaluations`, with `evaluation_data`, `evaluation_order` and `evaluation_shipped`;
   - train: `robust_model.jobs`. The page has no button for it.

4. **Showing.** Handlers write JSON and PNG into the job's folder (`findings`, result.json); `ui` makes markup of them.
   `exports` puts results into one file to take along.
5. **Keeping order.** `upkeep` lets old results and pictures go; `visitor` tells addresses apart.

`model_list`, `measurements`, `vocabulary` and `units` answer the page's questions about models and pictures without a
job.

Gradio is imported by this package alone. What a browser sends names models of the lists and digests of uploads, never a
path.

To add a kind of job: a handler in `work.make_handlers`, its cost in `costs`. To add a tab: a class like `ui.class_tab`,
built in `ui.page`. See also CONTRIBUTING.md.
"""

__version__ = "0.1.0"
