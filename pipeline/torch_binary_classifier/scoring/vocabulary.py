"""The categories that an encoder knows, by all their writings; knows no tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from torch_binary_classifier.tables.forms import NUMBERS, TIMES, forms, text_form
from torch_binary_classifier.tables.missing import is_gap

__all__ = ["Kind", "Vocabulary"]

Kind = Literal["number", "text", "truth value", "time"]


class Vocabulary:
    """The categories of a column that a fitted encoder knows.

    Parameters
    ----------
    categories : sequence of ndarray
        The categories, as each encoder keeps them; gaps among them are left out.
    fills : collection, default=()
        Categories that an imputer put in the place of gaps. They do not tell what
        kind of cells the column holds.

    Attributes
    ----------
    kind : {"number", "text", "truth value", "time"}
        What the categories are.
    is_typed : bool
        Whether the encoders keep them in an array of NumPy's own types, so that
        cells must come in such an array as well.
    dtype : numpy.dtype
        Which type that is.
    first : object
        One of the categories, None if there is none.

    Examples
    --------
    >>> codes = Vocabulary([np.array(["1", "2", "n"], dtype=object)])
    >>> codes.kind, codes.find("1"), codes.find(1.0), codes.find("02")
    ('text', '1', '1', '2')
    >>> codes.find("N") is None
    True
    """

    def __init__(
        self,
        categories: Sequence[np.ndarray[Any, Any]],
        fills: Collection[object] = (),
    ) -> None:
        known = [c for array in categories for c in array if not is_gap(c)]
        genuine = [c for c in known if c not in fills]
        self.kind: Kind = _kind(genuine or known, categories)
        self.is_typed = all(array.dtype != object for array in categories)
        self.dtype = categories[0].dtype
        known_forms = {form for category in genuine for form in forms(category)}
        # Only they may have lost the last digits of a whole number.
        self._is_floating = any(isinstance(c, float | np.floating) for c in genuine)
        self._is_binary = known_forms <= {0, 1, ("truth", False), ("truth", True)}
        # A category of text is found as it is written before any other.
        self._written = {str(c): c for c in known if not isinstance(c, str)}
        self._written |= {c: c for c in known if isinstance(c, str)}
        self.first = next(iter(self._written.values()), None)
        owners = defaultdict(set)
        for written, category in self._written.items():
            for form in self._forms(category):
                owners[form].add(written)
        self._by_form = {
            form: self._written[next(iter(writings))]
            for form, writings in owners.items()
            if len(writings) == 1
        }

    def __contains__(self, text: object) -> bool:
        """Return whether a category is written just so."""
        return text in self._written

    def find(self, cell: object) -> Any:
        """Return the category that a cell is, or None.

        Parameters
        ----------
        cell : object
            A cell of a file: text, number, truth value or time.

        Returns
        -------
        object or None
            The category that is written so; failing that, the only one that has a
            canonical form of the cell.
        """
        if str(cell) in self._written:
            return self._written[str(cell)]
        for form in self._forms(cell):
            if form in self._by_form:
                return self._by_form[form]
        return None

    def native(self, cell: object) -> Any:
        """Return a cell in the kind of the categories, if it can be one of them.

        Parameters
        ----------
        cell : object
            A cell that is none of the categories.

        Returns
        -------
        object
            The cell as text, number, truth value or time; otherwise as it is.
        """
        if self.kind == "text":
            return str(cell)
        if not isinstance(cell, str):
            return cell
        form = text_form(cell)
        match (self.kind, form):
            case ("number", int() | float()):
                return form
            case ("number", ("truth", bool(truth))):
                return int(truth)
            case ("truth value", ("truth", truth)):
                return truth
            case ("time", ("time", int(nanoseconds))):
                return _from_nanoseconds(nanoseconds)
        return cell

    def _forms(self, cell: object) -> Iterator[Hashable]:
        """Yield the canonical forms of a cell; 1 is True where all is 0 or 1."""
        for form in forms(cell):
            if isinstance(form, tuple) and form[0] == "truth" and self._is_binary:
                yield int(form[1])
                continue
            yield form
            if isinstance(form, int) and self._is_floating:
                yield float(form)


def _kind(categories: Sequence[object], arrays: Sequence[np.ndarray[Any, Any]]) -> Kind:
    """Return what categories are; where there are none, what their arrays hold."""
    kinds = {_kind_of(category) for category in categories}
    if not kinds:
        kinds = {
            _kind_of(array.dtype.type(0)) for array in arrays if array.dtype != "O"
        }
    return kinds.pop() if len(kinds) == 1 else "text"


def _kind_of(value: object) -> Kind:
    """Return what a scalar is."""
    if isinstance(value, bool | np.bool_):
        return "truth value"
    if isinstance(value, str):
        return "text"
    if isinstance(value, TIMES):
        return "time"
    return "number" if isinstance(value, NUMBERS) else "text"


def _from_nanoseconds(nanoseconds: int) -> np.datetime64:
    """Return a moment of NumPy's, as fine as it need be."""
    if nanoseconds % 1000:
        return np.datetime64(nanoseconds, "ns")
    return np.datetime64(nanoseconds // 1000, "us")
