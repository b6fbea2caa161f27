"""Your results: `your_results` lists, names, exports and deletes them, `cards`, `search` and `words` are parts of that;
`own_presets` are a visitor's own.
"""
