"""The picture as a sum of layers of many resolutions (arXiv 2502.07753, section 3), or as pixels, within a bound.

- `prior` holds the layers, which `making` makes; `operators` enlarge and add them, with the forms in `kernels` of what
  descent on them does; `layers` looks at bands.
- `pixel` is the form without layers, with JPEG's coefficients among them.
- `bounds` keeps a change within epsilon of a photo; `small_copy` works out the change of a large photo on a small copy.
- `decomposition`, `contributions` and `spectrum` say what each resolution holds; `parting` how a change is taken apart
  to be looked at.

To add a form: a `prior.DirectPrior` or `prior.LinearPrior`, and a line in `making.PRIORS`.
"""
