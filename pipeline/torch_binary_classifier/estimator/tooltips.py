"""What a notebook says of a parameter or a fitted attribute under the pointer.

scikit-learn shows the documentation of a parameter only where it can link to a page of
it. Ours is on no public page, and a link must not point into the void: so there is
neither a link on a parameter nor a question mark on the estimator, and each name has
its part of the docstring as a title instead. Knows docstrings and HTML.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from html import escape
from typing import Any

# The name of a row: text alone, or within a link that leads nowhere.
NAME = re.compile(r'<td class="param">(?=(?:\s*<a[^>]*>)?\s*(\w+))')
SECTION = re.compile(r"^(\w[\w ]*)\n-+$", re.MULTILINE)
ENTRY = re.compile(r"^(\w[\w, ]*) : (.*(?:\n(?: .*)?)*)", re.MULTILINE)


class Tooltips:
    """Titles in the tables that scikit-learn shows of an estimator, since 1.7."""

    def _get_params_html(self, *given: Any, **named: Any) -> Any:
        """Return the parameters, whose table has titles."""
        table = super()._get_params_html(*given, **named)  # type: ignore[misc]
        return titled(table, descriptions(type(self), "Parameters"))

    def _get_fitted_attr_html(self, *given: Any, **named: Any) -> Any:
        """Return the fitted attributes, whose table has titles."""
        table = super()._get_fitted_attr_html(*given, **named)  # type: ignore[misc]
        return titled(table, descriptions(type(self), "Attributes"))


def titled(table: Any, described: Mapping[str, str]) -> Any:
    """Return a table of scikit-learn, with what is described as titles in its HTML."""
    plain = table._html_repr

    def cell(match: re.Match[str]) -> str:
        words = described.get(match[1])
        if words is None:
            return match[0]
        return f'<td class="param" title="{escape(words)}">'

    table._html_repr = lambda: NAME.sub(cell, plain())
    return table


def descriptions(described: type, section: str) -> dict[str, str]:
    r"""Return what a class's docstring says of each name of a section.

    Examples
    --------
    >>> class Described:
    ...     '''One line.
    ...
    ...     Parameters
    ...     ----------
    ...     size, width : int
    ...         How large
    ...         it is.
    ...     '''
    >>> descriptions(Described, "Parameters")["width"]
    'size, width : int\nHow large it is.'
    """
    parts = SECTION.split(inspect.getdoc(described) or "")
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    found: dict[str, str] = {}
    for names, text in ENTRY.findall(sections.get(section, "")):
        kind, _, words = text.partition("\n")
        told = f"{names} : {kind}\n{' '.join(words.split())}"
        found |= dict.fromkeys(names.split(", "), told)
    return found
