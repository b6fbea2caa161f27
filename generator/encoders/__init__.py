"""Image-text encoders (CLIP) from open_clip: found, fetched, loaded, shared, and differentiable in the images.

    name -> names -> hub (which files) -> foundation.downloads -> loading -> Encoder

- `names` says what a name means; `catalogue` is a short list of models worth a download, `info` what is said of each.
- `hub` knows the files of a model and where they are kept, `foundation.downloads` fetches one, resumed and checked.
- `loading` makes the model through open_clip, `precision` chooses its numbers, `towers` holds it in
  low ones, `encoder.OpenClipEncoder` is what comes
  out: `foundation.protocols.Encoder`, with `preprocess` (open_clip's, on tensors) and `tokens`; `vocabulary` knows the
  words that a small model has never seen. `cache` keeps embeddings that were computed before.
- `sources` puts all of it into the catalogue of models (`foundation.catalogue`), which is the way in: it lists what can
  be chosen, loads each once, and shares it.

To offer another model of open_clip in the lists, add a `Downloadable` to `catalogue.DOWNLOADABLE`; by its name in full
it can be used as it is."""
