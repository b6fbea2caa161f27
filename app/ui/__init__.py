"""The page: widgets, what is read from them, and what is shown of jobs. It works with what `services.Studio` hands it.

Three kinds of modules:

- **Tabs and panels** hold Gradio components and their events: `page` (the whole), `text_tab`, `class_tab`,
  `attack_tab`, `evaluation_sidebar`. The parts of a tab have its word in front (`text_inputs`, `attack_targets`,
  `evaluation_form`); shared parts have none (`models`, `class_choice`, `unit_choice`, `budget`, `seed`, `mask`,
  `picture_input`, `cost_line`).
- **Markup** is pure functions from a snapshot, or findings, to HTML: `results`, `stage`, `gallery`, `charts`,
  `spectrum_chart`, `attack_results`, `attack_tables`, `attack_seeing`, `folder_results`, `evaluation_markup`,
  `evaluation_reports`. `markup` has what escapes texts; `media` signs the addresses of files.
- **Plumbing**: `forms` makes widgets from the fields of a recipe, `panel` follows one job (buttons, timer, stage),
  `guard` turns errors into sentences, `blocks` does so for what no widget can read, `opened` fills a tab from a picture
  that was opened, `signal` tells other events that something happened.

From click to picture, in a tab: widgets -> recipe (`forms`, the tab's own inputs) -> `JobRequest` -> `panel` submits
and polls -> `stage` while it runs, `results` when it is done.

What is there to choose comes from the library: fields and choices of recipes by `forms`, presets, lists of models,
suites and survivals. The labels of update rules and perturbations (`attack_change`), scores (`text_inputs`) and goals
of attacks (`attack_targets`) are lists of the page's own.

A new field of a recipe shows up among the advanced ones by itself (`forms.advanced_fields`). For a widget of its own it
is named in `forms.OWN_OF`, and the tab's inputs make the widget, read it, and fill it in when a picture is opened.

Style: `theme` and `style.css`; `painter.js` is the painter of masks. Nothing is loaded from another host.
"""
