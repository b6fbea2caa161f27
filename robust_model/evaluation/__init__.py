"""The evaluation of a classifier: attacks, a journal to resume from, honest accounting, and the report."""
