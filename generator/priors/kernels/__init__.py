"""What descent on the layers does to the picture, the linear map K, in the forms that make it cheap.

- `kronecker`: K as a sum of few Kronecker products, cut where a tolerance allows.
- `mirrored`: such a sum by even and odd halves.
- `two_scales`: of a large canvas the fine layers in narrow bands, which `banded` works out, and the coarse ones on a
  small grid: what a step takes grows as the canvas does.

Which one is taken is for `generator.priors.operators.ResolutionOperator` to say.
"""
