"""The columns of a table that a model can learn from, and what is odd about them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch_binary_classifier.cli.findings import Finding, examine, examine_codes
from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring import Chunk, as_frame
from torch_binary_classifier.wording import listed

__all__ = [
    "MIN_ROWS_PER_CLASS",
    "Columns",
    "choose_columns",
    "frame",
    "label_written",
    "positive_label",
    "target",
]

# A fold of the search must leave the ensemble a row of either class for each member.
MIN_ROWS_PER_CLASS = 10
# What a header says of a column without a name, empty or as pandas reads and writes it.
NAMELESS = re.compile(r"(Unnamed: [0-9]+(\.[0-9]+)*)?")


@dataclass(frozen=True)
class Columns:
    """The columns to learn from.

    Attributes
    ----------
    findings : mapping of str to Finding
        What each column but the target and those to drop is taken for.
    """

    findings: Mapping[str, Finding]

    @property
    def by_kind(self) -> dict[str, Any]:
        """Return the columns as `tabular_pipeline` takes them."""
        times = {n: f.form for n, f in self.findings.items() if f.kind == "time"}
        return {
            "numeric": self.of_kind("number"),
            "categorical": self.of_kind("text", "code"),
            "times": times,
        }

    @property
    def notes(self) -> list[str]:
        """Return sentences on the columns that need a second look."""
        return [note for finding in self.findings.values() for note in finding.notes]

    def of_kind(self, *kinds: str) -> list[str]:
        """Return the names of the columns of some kinds, in the table's order."""
        return [n for n, finding in self.findings.items() if finding.kind in kinds]


def target(table: Chunk, name: str) -> Any:
    """Return the labels of a table, or refuse a target that cannot be learnt.

    Parameters
    ----------
    table : Chunk
        The whole table.
    name : str
        The column to predict.

    Returns
    -------
    ndarray of shape (n_rows,)
        The labels, of two classes.

    Raises
    ------
    TableError
        If there is no such column, a label is missing, or the labels are not two
        classes of some rows each.
    """
    _check_known(table, "--target", [name])
    y = table.labels(name)
    counts = Counter(y.tolist())
    if len(counts) != 2:
        msg = (
            f"column {name!r} of {table.source} must hold two classes, "
            f"got {len(counts)}{': ' if counts else ''}{listed(sorted(counts))}."
        )
        raise TableError(msg)
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] < MIN_ROWS_PER_CLASS:
        msg = (
            f"column {name!r} of {table.source} must hold each class in at least "
            f"{MIN_ROWS_PER_CLASS} rows, got {counts[rarest]} of {rarest!r}."
        )
        raise TableError(msg)
    return y


def positive_label(y: Any, written: str | None) -> Any:
    """Return the label whose probability is reported.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        The labels.
    written : str or None
        The label as the user writes it; None for the second one in sorted order.

    Returns
    -------
    label
        One of the labels.

    Raises
    ------
    TableError
        If no label is written so.
    """
    return (
        max(y.tolist()) if written is None else label_written(y, written, "--positive")
    )


def label_written(y: Any, written: str, option: str) -> Any:
    """Return the label that is written so.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        The labels.
    written : str
        A label as the user writes it.
    option : str
        The option in which it stands.

    Returns
    -------
    label
        One of the labels.

    Raises
    ------
    TableError
        If no label is written so.
    """
    labels = sorted(set(y.tolist()))
    for label in labels:
        if _is_written(label, written):
            return label
    msg = f"{option} must be one of the labels {listed(labels)}, got {written!r}."
    raise TableError(msg)


def choose_columns(
    table: Chunk,
    target: str,
    *,
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Columns:
    """Return the columns to learn from, and what is to be said about them.

    Parameters
    ----------
    table : Chunk
        The whole table.
    target : str
        The column to predict.
    categorical : sequence of str, default=()
        Columns to take for codes, whatever they hold.
    drop : sequence of str, default=()
        Columns to leave out.

    Returns
    -------
    Columns
        Names by kind, in the order of the table.

    Raises
    ------
    TableError
        If an option names no column, a number is out of range, or no column is left.
    """
    _check_known(table, "--categorical", categorical)
    _check_known(table, "--drop", drop)
    findings = {}
    is_leading = True
    for name in table.columns:
        is_leading = is_leading and NAMELESS.fullmatch(name) is not None
        if name == target or name in drop:
            continue
        if name in categorical:
            findings[name] = examine_codes(table, name)
        else:
            findings[name] = examine(table, name, may_be_index=is_leading)
    columns = Columns(findings)
    if not any(columns.by_kind.values()):
        msg = f"{table.source} must have a column to learn from, got none with values."
        raise TableError(msg)
    return columns


def frame(table: Chunk, columns: Columns) -> Any:
    """Return a table's columns as a frame, in the table's order.

    Parameters
    ----------
    table : Chunk
        The whole table.
    columns : Columns
        Those to learn from.

    Returns
    -------
    frame
        Codes and numbers as numbers, other categories and times as texts.
    """
    readers = dict.fromkeys(columns.of_kind("number", "code"), table.numbers)
    readers |= dict.fromkeys(columns.of_kind("text", "time"), table.texts)
    return as_frame({n: readers[n](n) for n in table.columns if n in readers})


def _check_known(table: Chunk, option: str, names: Sequence[str]) -> None:
    """Refuse an option that names a column which the table lacks."""
    for name in names:
        if name not in table.columns:
            msg = (
                f"{option} must be a column of {table.source}, got {name!r}. "
                f"Its columns are {listed(list(table.columns))}."
            )
            raise TableError(msg)


def _is_written(label: Any, text: str) -> bool:
    """Return whether a label can be written so."""
    if isinstance(label, str):
        return label == text
    if isinstance(label, bool):
        return str(label).lower() == text.strip().lower()
    try:
        return bool(label == float(text))
    except ValueError:
        return False
