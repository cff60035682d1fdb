"""What is found in a table beside its schema; knows neither of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Finding", "TableReport"]

# What makes a table unfit, and what is only worth a word.
Fault = Literal[
    "shape", "missing", "extra", "kind", "unseen", "range", "gaps", "empty", "constant"
]
Note = Literal["dtype", "order", "names"]


@dataclass(frozen=True)
class Finding:
    """One difference between a table and a schema.

    Attributes
    ----------
    what : str
        "shape", "missing", "extra", "kind" (numbers where there were texts),
        "unseen" (categories), "range" (numbers or times), "gaps" (missing cells
        where there were none), "empty" (all cells missing) or "constant"; or one of
        the notes "dtype", "order" and "names".
    column : str or None
        The column; None for the table as a whole.
    message : str
        A sentence with numbers, without its full stop.
    share : float or None
        Which share of the cells it concerns, 0 to 1, if it concerns some.
    values : tuple
        Some of the values: the unseen categories, least and greatest number.
    """

    what: Fault | Note
    column: str | None
    message: str
    share: float | None = None
    values: tuple[Any, ...] = ()

    @property
    def is_note(self) -> bool:
        """Return whether a model takes the table all the same."""
        return self.what in ("dtype", "order", "names")


@dataclass(frozen=True)
class TableReport:
    """What is different in a table from the one that a model was trained on.

    Attributes
    ----------
    findings : tuple of Finding
        Those of the whole table first, then in the order of the columns.
    """

    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Return whether there is nothing but notes."""
        return all(finding.is_note for finding in self.findings)

    @property
    def columns(self) -> Mapping[str, tuple[Finding, ...]]:
        """Return the findings of each column that has some, by its name."""
        names = dict.fromkeys(f.column for f in self.findings if f.column is not None)
        return {
            name: tuple(f for f in self.findings if f.column == name) for name in names
        }

    def __str__(self) -> str:
        """Return one line per finding."""
        if not self.findings:
            return "The table fits."
        return "\n".join(
            f"{'note: ' if finding.is_note else ''}{finding.message}"
            for finding in self.findings
        )
