"""How often networks that did not draw name the pictures right: `python -m benchmarks.recognised --help`.

`judging` has what is to be drawn, who judges it, and the same of real photos; `prompts.txt` the prompts.
"""
