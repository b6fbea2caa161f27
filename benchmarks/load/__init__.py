"""Many people at one studio for a while: whether each is served, in turn, without a fault, and memory stays.

    python -m benchmarks.load --users 30 --minutes 5 --json load.json

`orders` has the kinds of jobs that they order, `users` what each of them does; `tally` is what was seen, and `figures`
what it comes to, and what must hold.
"""
