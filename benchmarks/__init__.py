"""Measurements, each a command that prints a table and writes JSON: `python -m benchmarks.NAME --help`.

- All that is measured beside a reference, by one command: `python -m benchmarks`, from `suite`.
- Speed, side by side with a reference in one run: `prior_step`, `clip_step`, `stack_speed` (against
  `suite.plain_stack`), `frozen_speed`, `apgd_passes`, `photo_attack`, `cluster_speed` (two workers beside one).
- Whether `robust_model cost` reckons rightly: `cost`.
- How long people wait: `text_to_image`, `page_times`.
- What comes out: `recognised` (do networks that did not draw name the pictures?), `attack_success`, `transfer` (which
  attacks fool networks that they were not made on?), `imagenet_photos`.
- `hostile`: what a hostile visitor does to the running app, and to another visitor.

`harness` has the timing, the machine in words and the tables. Every figure in the README or in docs/ names the command
that measured it.
"""
