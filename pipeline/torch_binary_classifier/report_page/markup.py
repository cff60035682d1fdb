"""Tags of a page, and texts in them that cannot be taken for tags."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from torch_binary_classifier import wording
from torch_binary_classifier.report_page.style import STYLE

__all__ = [
    "document",
    "escaped",
    "facts",
    "figure",
    "folded",
    "paragraph",
    "row_of",
    "section",
    "table",
]


def escaped(text: object) -> str:
    """Return a text as a page shows it letter by letter.

    Parameters
    ----------
    text : object
        A text from anywhere.

    Returns
    -------
    str
        On one line, with nothing in it that a browser would obey.

    Examples
    --------
    >>> escaped("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return html.escape(wording.plain(str(text)))


def paragraph(text: object, *, kind: str = "") -> str:
    """Return a paragraph.

    Parameters
    ----------
    text : object
        Its words.
    kind : str, default=""
        Its class, of those in the style.

    Returns
    -------
    str
        HTML.
    """
    named = f' class="{kind}"' if kind else ""
    return f"<p{named}>{escaped(text)}</p>"


def section(title: str, *parts: str) -> str:
    """Return a part of the page, or nothing if it is empty.

    Parameters
    ----------
    title : str
        Its heading.
    *parts : str
        HTML.

    Returns
    -------
    str
        HTML.
    """
    body = "\n".join(part for part in parts if part)
    if not body:
        return ""
    anchor = "-".join(title.lower().split())
    return (
        f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{escaped(title)}</h2>'
        f"\n{body}\n</section>"
    )


def table(
    titles: Sequence[object], rows: Iterable[Sequence[object]], *, caption: str = ""
) -> str:
    """Return a table whose first column names the rows.

    Parameters
    ----------
    titles : sequence of object
        The heads of the columns.
    rows : iterable of (sequence of object)
        The cells.
    caption : str, default=""
        What the table shows.

    Returns
    -------
    str
        HTML; the table scrolls by itself where it is wider than the page.
    """
    head = "".join(f'<th scope="col">{escaped(title)}</th>' for title in titles)
    body = "\n".join(
        f'<tr><th scope="row">{escaped(first)}</th>'
        + "".join(f"<td>{escaped(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    )
    told = f"<caption>{escaped(caption)}</caption>\n" if caption else ""
    return (
        f'<div class="wide" tabindex="0"><table>\n{told}'
        f"<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def facts(values: Mapping[str, object]) -> str:
    """Return names and values as a list.

    Parameters
    ----------
    values : mapping of str to object
        Values by name.

    Returns
    -------
    str
        HTML.
    """
    items = "\n".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>"
        for name, value in values.items()
    )
    return f"<dl>\n{items}\n</dl>"


def folded(title: str, body: str) -> str:
    """Return a part that is shown on a click.

    Parameters
    ----------
    title : str
        What to click on.
    body : str
        HTML.

    Returns
    -------
    str
        HTML.
    """
    return f"<details><summary>{escaped(title)}</summary>\n{body}\n</details>"


def figure(svg: str, caption: str) -> str:
    """Return a picture and what it shows.

    Parameters
    ----------
    svg : str
        The picture.
    caption : str
        What it shows.

    Returns
    -------
    str
        HTML.
    """
    return f"<figure>\n{svg}\n<figcaption>{escaped(caption)}</figcaption>\n</figure>"


def row_of(*parts: str) -> str:
    """Return pictures or tables side by side where the page is wide enough.

    Parameters
    ----------
    *parts : str
        HTML.

    Returns
    -------
    str
        HTML.
    """
    body = "\n".join(part for part in parts if part)
    return f'<div class="row">\n{body}\n</div>' if body else ""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page.

    Parameters
    ----------
    title : str
        Its title.
    parts : iterable of str
        HTML.

    Returns
    -------
    str
        HTML that asks for nothing beyond itself: its style is inline, and its icon
        an empty one, for which a browser would ask otherwise.
    """
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
