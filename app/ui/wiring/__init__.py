"""Between the page and what it works with: `services.Studio` is all that the page may ask; `guard` turns errors into
sentences; `signal` tells other events that something happened.
"""
