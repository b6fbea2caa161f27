"""Transfer of attacks on real photos between real networks: `python -m benchmarks.transfer TABLE --photos FOLDER`.

`methods` says what is compared, as recipes of the product; `tables` which surrogates, victims, goals and budgets each
table has; `running` attacks photo after photo and asks the victims, with a journal from which a run that was ended goes
on; `figures` counts, tests, and writes Markdown.
"""
