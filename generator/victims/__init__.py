"""Who is attacked: models that are asked, and what they say.

- `victims` are classifiers and CLIP models that choose from a list; `verdicts` are their answers as values, and `store`
  keeps them on disk.
- `survival` are the things that happen to files (JPEG, crops, blur...); `line` and `saliency` show why an attack works.

To add something that happens to files: a function and a line in `survival.SURVIVALS`. To add another kind of victim: a
class with `victims.Victim`'s members, and an entry of `victims.VICTIMS`.
"""
