"""Evaluations as the page orders them.

`order` is what a visitor asks for, `data` the images to evaluate on, `service` makes a report of both; `shipped` are
the reports that came with the models, `speeds` what passes took on this machine.
"""
