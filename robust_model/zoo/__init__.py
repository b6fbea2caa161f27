"""Models by name, for every command, the page and programs.

- `catalogue.open_catalogue` puts the catalogue of all models together (`foundation.catalogue`): encoders, and the
  classifiers that `sources` knows: exported ones (`registry`, `hub`), those that packages bring or libraries publish
  (`published`), and a user's own (`own_network`).
- `subjects.load_subject` is one of them to be evaluated.
"""
