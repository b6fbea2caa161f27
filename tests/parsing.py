"""Python's own parser, past a fault of it."""

import ast


def parse(source: str) -> ast.Module:
    """The syntax tree of a source.

    Before Python 3.11.8 the depth of a tree that is being made is counted for all threads at once: where another thread
    parses meanwhile, as whoever prints a traceback does, it ends with a SystemError (python/cpython issue 106905).
    """
    for _ in range(5):
        try:
            return ast.parse(source)
        except SystemError:
            continue
    return ast.parse(source)
