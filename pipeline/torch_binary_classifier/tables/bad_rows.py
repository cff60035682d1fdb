"""Records of a table that cannot be scored, and where they stand; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["BadRow", "Fault", "Place", "TooManyBadRowsError"]

Fault = Literal[
    "cast",
    "missing",
    "too few fields",
    "too many fields",
    "quote",
    "encoding",
    "too long",
    "non-finite",
    "unseen",
    "refused",
]


@dataclass(frozen=True)
class BadRow:
    """A record that cannot be read or scored.

    Attributes
    ----------
    row : int
        Position in the file, counted from 0.
    kind : str
        What is wrong: "cast" (a cell is not what the column must hold), "missing" (a
        cell is missing that the model needs), "too few fields", "too many fields",
        "quote", "encoding" (bytes that are no text), "too long", "non-finite" (an
        infinite number, or one beyond float32), "unseen" (a category never seen in
        training, where that is to fail), or "refused" (by the model itself).
    message : str
        What must be and what is instead, without the place of the row.
    column : str or None, default=None
        Where in the row, if that is known.
    """

    row: int
    kind: Fault
    message: str
    column: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a record stands in its file, and what is written there.

    Attributes
    ----------
    line : int or None
        The line on which it begins, counted from 1 with the line of names; None in
        a file without lines.
    byte_offset : int or None
        Position of its first byte, counted from 0, in the text as it is after
        unpacking and, if it is in another encoding, in UTF-8; None as above.
    raw : str
        The record as it is written; bytes that are no text are escaped. In a file
        without lines its cells as JSON.
    """

    line: int | None
    byte_offset: int | None
    raw: str


class TooManyBadRowsError(Exception):
    """There are more bad records than may be: the search for others has ended.

    Parameters
    ----------
    bad : sequence of BadRow
        Those that were found, in order.
    """

    def __init__(self, bad: Sequence[BadRow]) -> None:
        super().__init__(f"{len(bad)} records are bad")
        self.bad = list(bad)
