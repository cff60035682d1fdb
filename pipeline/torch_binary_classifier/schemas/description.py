"""What a table is, in plain values; knows no tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch_binary_classifier.schemas.plain import as_plain, of_plain

__all__ = [
    "QUANTILES",
    "Categories",
    "ColumnSchema",
    "Kind",
    "Levels",
    "Numbers",
    "TableSchema",
    "Times",
]

Kind = Literal["number", "text", "truth value", "time", "other"]
Container = Literal["pandas", "polars", "pyarrow", "array"]
Moment = Literal["moment", "date", "duration", "time of day"]

# Of how many of the values each of `Numbers.quantiles` is no less.
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Categories:
    """The different values of a column.

    Attributes
    ----------
    values : tuple of str, bool, int or float
        The most frequent first.
    shares : tuple of float
        Which share of the cells that are not missing each of them has, 0 to 1.
    is_whole : bool
        Whether these are all.
    """

    values: tuple[Any, ...]
    shares: tuple[float, ...]
    is_whole: bool


@dataclass(frozen=True)
class Numbers:
    """How the numbers of a column are spread.

    Attributes
    ----------
    quantiles : tuple of int or float
        Numbers of the column, those at the places 0, 0.01, 0.05, 0.25, 0.5, 0.75,
        0.95, 0.99 and 1 in their order.
    mean : float
        Their mean; infinite or NaN if one of them is infinite.
    deviation : float
        Their standard deviation, of all rows, not estimated from a sample.
    """

    quantiles: tuple[float, ...]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Times:
    """What the times of a column are.

    Attributes
    ----------
    what : {"moment", "date", "duration", "time of day"}
        What each cell is.
    unit : {"s", "ms", "us", "ns", "day"}
        What they are counted in.
    zone : str or None
        The time zone of moments, if they have one.
    earliest : str or None
        The first, or the shortest duration, as text; None if all are missing.
    latest : str or None
        The last.
    """

    what: Moment
    unit: Literal["s", "ms", "us", "ns", "day"]
    zone: str | None
    earliest: str | None
    latest: str | None

    @property
    def is_duration(self) -> bool:
        """Return whether they are no points in time."""
        return self.what in ("duration", "time of day")


@dataclass(frozen=True)
class Levels:
    """The categories that a column's own type names, used or not.

    Attributes
    ----------
    values : tuple of str, bool, int or float
        In the order of the type.
    is_ordered : bool
        Whether the order counts.
    """

    values: tuple[Any, ...]
    is_ordered: bool


@dataclass(frozen=True)
class ColumnSchema:
    """What one column of a table holds.

    Attributes
    ----------
    name : str
        Its name; ``x0``, ``x1`` and so on in a table without names.
    kind : {"number", "text", "truth value", "time", "other"}
        What its cells are. Cells of several types in one column count as texts;
        "other" are lists, bytes and the like, of which nothing more is known.
    dtype : str
        The type as the table's own package calls it: ``float32``, ``category``.
    missing_share : float
        Which share of its cells is missing, 0 to 1; NaN is.
    n_distinct : int or None
        How many different values there are.
    categories : Categories or None
        Up to 100 of the values, of texts, truth values, columns of a type with
        categories, and whole numbers with no more values than that.
    levels : Levels or None
        The categories of the type itself, if it has them, at most 1,000.
    numbers : Numbers or None
        How they are spread, if the column holds numbers that are not all missing.
    times : Times or None
        What they are, if the column holds times.
    """

    name: str
    kind: Kind
    dtype: str
    missing_share: float
    n_distinct: int | None = None
    categories: Categories | None = None
    levels: Levels | None = None
    numbers: Numbers | None = None
    times: Times | None = None

    @property
    def has_gaps(self) -> bool:
        """Return whether a cell is missing."""
        return self.missing_share > 0

    @property
    def known(self) -> frozenset[Any] | None:
        """Return all values of a column whose values are names, if they are listed."""
        is_named = self.kind in ("text", "truth value") or self.levels is not None
        if self.categories is None or not self.categories.is_whole or not is_named:
            return None
        return frozenset(self.categories.values)


@dataclass(frozen=True)
class TableSchema:
    """What a table holds, column by column, in plain values.

    Parameters
    ----------
    container : {"pandas", "polars", "pyarrow", "array"}
        What kind of table it is; "pyarrow" stands for all others of Arrow.
    is_named : bool
        Whether its columns have names.
    n_rows : int
        How many rows it has.
    columns : tuple of ColumnSchema
        Its columns, in order.

    See Also
    --------
    schema : Take the schema of a table.

    Examples
    --------
    >>> import numpy as np
    >>> from torch_binary_classifier import schema
    >>> taken = schema(np.array([[1.0, np.nan], [3.0, np.inf]]))
    >>> [(c.name, c.kind, c.missing_share) for c in taken.columns]
    [('x0', 'number', 0.0), ('x1', 'number', 0.5)]
    >>> plain = taken.to_dict()
    >>> plain["columns"][1]["numbers"]["mean"]
    'inf'
    >>> TableSchema.from_dict(plain).to_dict() == plain
    True
    """

    container: Container
    is_named: bool
    n_rows: int
    columns: tuple[ColumnSchema, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(column.name for column in self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as dicts and lists that strict JSON can hold.

        Returns
        -------
        dict
            One entry per attribute. Infinite numbers and NaN are the texts "inf",
            "-inf" and "nan"; what is not known is None.
        """
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TableSchema:
        """Return the schema that `to_dict` wrote.

        Parameters
        ----------
        plain : mapping
            What `to_dict` returned, as it is or read from JSON.

        Returns
        -------
        TableSchema
            An equal schema.

        Raises
        ------
        ValueError
            If an entry is missing, unknown, or not what it must be.
        """
        return of_plain(cls, plain)
