"""Transformers of columns that scikit-learn has no own for; know frames, but no files.

Fitted, they hold names and words only, so a saved pipeline needs this module to load
and nothing that pandas or torch bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from torch_binary_classifier.tables.forms import code
from torch_binary_classifier.tables.missing import is_gap, is_missing_word
from torch_binary_classifier.tables.times import FORMATS, fitting_formats, numbers

__all__ = ["MISSING", "CategoriesAsTexts", "TimesAsNumbers"]

# The category of a missing cell.
MISSING = "(missing)"


class CategoriesAsTexts(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Write categories of any kind as texts, the same however they were stored.

    Attributes
    ----------
    number_codes_ : tuple of bool
        For each column, whether all its training cells were numbers, truth values or
        missing by type. Then texts are read as numbers too: 1, 1.0, "01" and True are
        one category. In other columns each text stays as it is.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if the training rows had names.

    Notes
    -----
    None, NaN, NaT and ``pandas.NA`` are the category ``"(missing)"``.

    Examples
    --------
    >>> encoder = CategoriesAsTexts().fit(np.array([[1], [2]]))
    >>> codes = np.array([[1.0], ["02"], [None], ["blue"], [True]], dtype=object)
    >>> encoder.transform(codes).ravel().tolist()
    ['1', '2', '(missing)', 'blue', '1']
    """

    def fit(self, X: Any, y: Any = None) -> CategoriesAsTexts:  # noqa: ARG002
        """Find out which columns hold codes that are numbers.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            Categories: numbers, truth values or texts.
        y : None
            Ignored.

        Returns
        -------
        CategoriesAsTexts
            The estimator itself.
        """
        validate_data(self, X, skip_check_array=True)
        columns = map(_different, _columns(X))
        self.number_codes_ = tuple(all(map(_is_number, values)) for values in columns)
        return self

    def transform(self, X: Any) -> Any:
        """Return the categories as texts.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            Categories.

        Returns
        -------
        ndarray of shape (n_rows, n_columns) and dtype object
            Texts only.
        """
        check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        texts = [
            _as_texts(column, _code if is_number else _text)
            for column, is_number in zip(_columns(X), self.number_codes_, strict=True)
        ]
        return np.asarray(texts, dtype=object).T


class TimesAsNumbers(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Turn dates into days since 1970-01-01 and durations into seconds.

    Parameters
    ----------
    formats : sequence of str, default=None
        How each column writes its times where it holds texts: ``"year-month-day"``,
        ``"day-month-year"``, ``"month-day-year"`` (all three with or without a time
        of day and a zone) or ``"duration"``. None finds out in `fit`.

    Attributes
    ----------
    time_formats_ : tuple of str
        The format of each column. Columns of this transformer may be given as texts
        or as dates, times and durations by type, with equal results.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if the training rows had names.

    Notes
    -----
    Times without a zone are taken for UTC. A missing cell, or a word for one such as
    "NA", becomes NaN. Microseconds count, finer parts do not.

    Examples
    --------
    >>> dates = np.array([["1970-01-02"], [None], ["1970-01-11 12:00"]], dtype=object)
    >>> TimesAsNumbers().fit_transform(dates).ravel()
    array([ 1. ,  nan, 10.5])
    """

    def __init__(self, formats: Sequence[str] | None = None) -> None:
        self.formats = formats

    def fit(self, X: Any, y: Any = None) -> TimesAsNumbers:  # noqa: ARG002
        """Find out how the columns write their times.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            Dates, times or durations, as texts or by type.
        y : None
            Ignored.

        Returns
        -------
        TimesAsNumbers
            The estimator itself.

        Raises
        ------
        ValueError
            If a cell is no time, or the day cannot be told from the month.
        """
        validate_data(self, X, skip_check_array=True)
        names = self._names()
        cells = list(map(_cells, _columns(X), names))
        if self.formats is None:
            formats = tuple(map(_format, cells, names))
        else:
            formats = tuple(self.formats)
            _check_formats(formats, len(cells))
        for column, form, name in zip(cells, formats, names, strict=True):
            numbers(column, form, name)
        self.time_formats_ = formats
        return self

    def transform(self, X: Any) -> Any:
        """Return days or seconds.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            Dates, times or durations, as texts or by type.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            NaN where a cell is missing.

        Raises
        ------
        ValueError
            If a cell is no time in the format of its column.
        """
        check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        names = self._names()
        cells = map(_cells, _columns(X), names)
        return np.column_stack(list(map(numbers, cells, self.time_formats_, names)))

    def _names(self) -> list[str]:
        """Return what errors call the columns."""
        if hasattr(self, "feature_names_in_"):
            return [f"column {name!r}" for name in self.feature_names_in_.tolist()]
        return [f"column {number}" for number in range(self.n_features_in_)]


def _columns(X: Any) -> Iterator[Any]:
    """Return the columns of a frame or an array."""
    if hasattr(X, "iloc"):
        return (X.iloc[:, number] for number in range(X.shape[1]))
    if hasattr(X, "__arrow_c_stream__"):
        return iter(pa.table(X).itercolumns())
    return iter(np.asarray(X).T)


def _cells(column: Any, name: str) -> Any:
    """Return a column as a pyarrow Array."""
    if not isinstance(column, pa.ChunkedArray):
        try:
            column = pa.array(column, from_pandas=True)
        except pa.ArrowException as error:
            msg = f"{name} must hold dates or durations, got a mixture of types."
            raise ValueError(msg) from error
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _values(column: Any) -> list[Any]:
    """Return a column as plain Python values."""
    return list(column.to_pylist() if hasattr(column, "to_pylist") else column.tolist())


def _different(column: Any) -> list[Any]:
    """Return the different values of a column; 1 and True are two of them."""
    return list({_key(value): value for value in _values(column)}.values())


def _key(value: Any) -> tuple[type, Any]:
    """Return what tells 1 from True, which are equal."""
    return type(value), value


def _as_texts(column: Any, written: Callable[[Any], str]) -> list[str]:
    """Return categories as texts, each different one written once."""
    keys = list(map(_key, _values(column)))
    texts = {key: written(key[1]) for key in set(keys)}
    return [texts[key] for key in keys]


def _text(value: Any) -> str:
    """Return a category as text; a text is one already."""
    if is_gap(value):
        return MISSING
    return value if isinstance(value, str) else code(value)


def _code(value: Any) -> str:
    """Return a category that may be a number as text."""
    is_missing = is_missing_word(value) if isinstance(value, str) else is_gap(value)
    return MISSING if is_missing else code(value)


def _is_number(value: Any) -> bool:
    """Return whether a value is a number, a truth value or missing."""
    return isinstance(value, Number | np.bool_) or is_gap(value)


def _format(cells: Any, name: str) -> str:
    """Return the one format of a column."""
    formats = fitting_formats(cells)
    if len(formats) == 1:
        return formats[0]
    if formats:
        msg = (
            f"{name} must tell days from months, got dates that can be read as "
            f"{' and as '.join(formats)}. Set formats."
        )
        raise ValueError(msg)
    # Without a value nothing can be read, and with another kind of cell the first
    # format says which one is no date.
    return next(iter(FORMATS))


def _check_formats(formats: Sequence[str], n_columns: int) -> None:
    """Refuse formats that are unknown, too few or too many."""
    unknown = [form for form in formats if form not in FORMATS]
    if unknown or len(formats) != n_columns:
        got = repr(unknown[0]) if unknown else f"{len(formats)} for {n_columns} columns"
        msg = f"formats must be one of {', '.join(FORMATS)} per column, got {got}."
        raise ValueError(msg)
