"""What a hostile visitor does to the running app, and to another visitor who clicks meanwhile.

    python -m benchmarks.hostile --minutes 10 --json hostile.json

`visitors` has what each of them sends, and what must not come back; `server` starts the app and reads its memory.
"""
