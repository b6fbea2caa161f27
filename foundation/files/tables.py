"""Tables as CSV that spreadsheets open: texts may be anybody's."""


def inert(value: object) -> object:
    """Return a value of a CSV file such that no spreadsheet takes it for a formula.

    Numbers stay what they are; a text that would start a formula gets an apostrophe in front. Carriage returns, which
    the csv module would leave unquoted, become spaces.
    """
    if not isinstance(value, str):
        return value
    return ("'" if value[:1] in tuple("=+-@\t\r\n") else "") + value.replace("\r", " ")
