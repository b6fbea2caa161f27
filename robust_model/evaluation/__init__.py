"""The evaluation of a classifier: attacks, a journal to resume from, honest accounting, and the report.

    EvalConfig -> suites (attacks) -> plan -> units of work -> journal -> results, accounting -> signs -> report (JSON)

- `record` has what an evaluation is told (`record.config`) and its report as values, read from files again.
- `suites` are named lists of attacks, `cost` says what they take.
- `engine` runs `units` in the order of `plan`: clean answers, then each attack on each batch; `journal` keeps each.
- `accounting` and `results` make accuracies of passes: votes, intervals, worst case per image; `unit_facts` are what
  one unit of work found.
- `sweep` and `curves`: accuracy against eps, steps and EOT.
- `masking`: signs of masked gradients. `samples` keeps some pictures, and `report` puts all together;
  `robust_model.reports` says it to people.

To add a suite: a function and a line in `suites.SUITES`.
"""
