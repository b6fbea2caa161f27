"""Classes by their names, whichever model knows them.

- `labels` are the lists of names (ImageNet, CIFAR-10, files of a user), `synonyms` what else a class is called.
- `class_names` finds each model's own name of a class; `names` says when two models mean the same one;
  `in_texts` finds the class that a text names.
"""
