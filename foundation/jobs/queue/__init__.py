"""Whose turn it is on a device: values and rules, without threads, locks or files.

- `turns`: owners take turns, and each keeps an order of their own.
- `lines`: where a job waits, if other machines can do it, too.
- `lanes`: short jobs before long ones, one computing at a time, and no lane kept waiting for ever.
- `forecast`: when each job is expected to start and to end.
- `view`: what an owner sees of the queue.
"""
