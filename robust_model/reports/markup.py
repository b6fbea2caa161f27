"""HTML that is safe by construction: every text is escaped on its way into an element, and only elements are not."""

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """A piece of HTML, to be put into other HTML as it is."""

    __slots__ = ()


def join(parts: Iterable[object]) -> Markup:
    """Elements and texts, one after the other; texts are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(str(part), quote=True) for part in parts))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """The element `name` with its children (texts are escaped) and attributes (`kind` is written "class")."""
    words = "".join(
        f' {"class" if key == "kind" else key.replace("_", "-")}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Markup(f"<{name}{words}>{join(children)}</{name}>")


def image(uri: str, alt: str) -> Markup:
    """A picture given by a data URI."""
    return Markup(f'<img src="{escape(uri, quote=True)}" alt="{escape(alt, quote=True)}">')


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]], strong: str = "") -> Markup:
    """A table in a box of its own that scrolls where the page is narrow; the row named `strong` stands out."""
    head = tag("tr", *(tag("th", name, scope="col") for name in header))
    body = (
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", value) for value in row[1:]),
            kind="strong" if strong and row[0] == strong else "",
        )
        for row in rows
    )
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", whole, kind="scroll", tabindex=0, role="region", aria_label=caption)
