"""The sidebar of evaluations: `sidebar` puts it together; `form` and `pictures` ask, `panel` follows the job, `reports`
and `markup` show.
"""
