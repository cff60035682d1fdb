"""The columns of a table that a model can learn from, and what is odd about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.assembly import MAX_CATEGORIES
from pipeline.exceptions import TableError
from pipeline.scoring import Chunk, as_frame
from pipeline.wording import listed

__all__ = ["check_known", "columns_by_kind", "frame", "notes", "target"]

# A fold of the search must leave the ensemble a row of either class for each member.
MIN_ROWS_PER_CLASS = 10


def target(table: Chunk, name: str) -> Any:
    """Return the labels of a table, or refuse a target that cannot be learnt."""
    check_known(table, "--target", [name])
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


def columns_by_kind(
    table: Chunk,
    target: str,
    *,
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> dict[str, list[str]]:
    """Return the columns to learn from, by kind; empty ones are of no use."""
    check_known(table, "--categorical", categorical)
    check_known(table, "--drop", drop)
    columns: dict[str, list[str]] = {"numeric": [], "categorical": []}
    for name in table.columns:
        if name == target or name in drop:
            continue
        kind = table.kind(name)
        if kind == "text" or name in categorical:
            columns["categorical"].append(name)
        elif kind == "numeric":
            columns["numeric"].append(name)
    if not any(columns.values()):
        msg = f"{table.source} must have a column to learn from, got none with values."
        raise TableError(msg)
    return columns


def check_known(table: Chunk, option: str, names: Sequence[str]) -> None:
    """Refuse an option that names a column which the table lacks."""
    for name in names:
        if name not in table.columns:
            msg = (
                f"{option} must be a column of {table.source}, got {name!r}. "
                f"Its columns are {listed(list(table.columns))}."
            )
            raise TableError(msg)


def frame(table: Chunk, columns: Mapping[str, Sequence[str]]) -> Any:
    """Return a table's columns as a frame, in the table's order."""
    readers = dict.fromkeys(columns["numeric"], table.numbers)
    readers |= dict.fromkeys(columns["categorical"], table.texts)
    return as_frame({n: readers[n](n) for n in table.columns if n in readers})


def notes(table: Chunk, name: str) -> Iterator[str]:
    """Yield what may be wrong with a column of texts."""
    odd = table.odd_text(name)
    if odd is not None:
        yield (
            f"column {name!r} is taken for text, because row {odd[0]} (rows are "
            f"counted from 0) holds {odd[1]!r}."
        )
    n_texts = len(table.columns[name].unique().drop_null())
    if n_texts >= MAX_CATEGORIES:
        yield (
            f"column {name!r} holds {n_texts} different texts, of which the "
            f"{MAX_CATEGORIES - 1} most frequent count. If it only identifies rows, "
            f"leave it out: --drop {name!r}."
        )
