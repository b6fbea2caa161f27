"""The catalogue: which models there are, what each is, and how it comes into memory. One object answers all of that.

    sources (where models come from) -> Catalogue.list, find -> ModelInfo; Catalogue.load -> the model, kept by Memory

- `entry` has the types: `ModelInfo` is what is said of a model, `Source` what knows models of one origin, `Found` one
  of its models, `Wanted` how it is to be loaded, `Loadable` what is then ready to load.
- `catalogue.Catalogue` asks the sources in their order, keeps apart whose names it is given (a user's own, or those in
  files), and refuses with a sentence. `fetching` gets what is missing before a command begins.
- `memory.Memory` keeps what was loaded, up to a budget; the least recently used leave.

Which sources there are is said once, in `robust_model.zoo.catalogue`: encoders come from `generator.encoders.sources`,
classifiers from `robust_model.zoo.sources`. To add an origin of models, write a `Source` and name it there.
"""
