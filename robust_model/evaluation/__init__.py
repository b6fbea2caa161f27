"""The evaluation of a classifier: attacks, a journal to resume from, honest accounting, and the report.

    EvalConfig -> suites (attacks) -> plan -> units of work -> journal -> results, accounting -> signs -> report (JSON)

- `config` is what decides the numbers; `suites` are named lists of attacks, `cost` says what they take.
- `engine` runs `units` in the order of `plan`: clean answers, then each attack on each batch; `journal` keeps each.
- `accounting`, `significance` and `results` make accuracies of passes: votes, intervals, worst case per image.
- `sweep` and `curves`: accuracy against eps, steps and EOT.
- Masked gradients: `diagnostics` measures gradients, `facts` says what counts, `signs` and `gradient_signs` give a
  verdict each, `masking` names them all and says it in words.
- `samples` keeps some pictures, `report` puts all together in the values of `schema` (made of those of `values`), which
  `reading` takes from files again, of older versions too (`migration`). `robust_model.reports` says it to people.

To add a suite: a function and a line in `suites.SUITES`. To add a sign of masking: a function in `signs` or
`gradient_signs`, and a line in `masking`. To add a field to the report: one of `schema`, a `Maybe` that reports of
before lack, then `python scripts/report_schemas.py`.
"""
