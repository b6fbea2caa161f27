"""The page: widgets, what is read from them, and what is shown of jobs. It works with what `wiring.services.Studio`
hands it.

- **Tabs**, a package each: `text`, `classes`, `attack`; `grids` is a part of the first two; the sidebar, `evaluation`;
  the visitor's `history`. `page` puts the whole together, `blocks` turns what no widget can read into sentences,
  `forgetting` lets a visitor's things go.
- **Head** (`head`) is what stands over the whole page, in the browser: themes, keys, pictures seen closely.
- **Markup** (`markup`) is pure functions from a snapshot, or findings, to HTML.
- **Widgets** (`widgets`) are shared by tabs; **wiring** is what lies between the page and the services.

From click to picture, in a tab: widgets -> recipe (`widgets.forms`, the tab's own inputs) -> `JobRequest` ->
`widgets.job_panel` submits and polls -> `markup.stage` while it runs, `markup.results` when it is done.

What is there to choose comes from the library: fields and choices of recipes by `widgets.forms`, presets, lists of
models, suites and survivals.

A new field of a recipe shows up among the advanced ones by itself (`widgets.forms`). For a widget of its own it
is named in `OWN_OF` there, and the tab's inputs make the widget, read it, and fill it in when a picture is opened.

Nothing is loaded from another host.
"""
