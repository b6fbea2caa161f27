"""The tab of texts: `tab` puts it together; `inputs`, `sources` and `classes` ask, `actions` starts jobs, `results` and
`vocabulary` show.
"""
