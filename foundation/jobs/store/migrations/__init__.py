"""How the database came to its present form, a step in a file; `foundation.jobs.store.database` takes those that are
missing.

A step is never changed once it has landed: databases out there have taken it. A new one names the last as its
revision before it, and changes `foundation.jobs.store.tables` along; a test compares the two.
"""
