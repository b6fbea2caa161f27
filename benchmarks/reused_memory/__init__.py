"""Passes in a program that keeps freed memory for what comes next, and in one that returns it.

`measuring` runs each side in processes of its own, in turn, and compares them.
"""
