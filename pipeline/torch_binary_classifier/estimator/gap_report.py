"""Tells the user about gaps (NaN) that cannot be had, or that training did not know."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.gaps import Gaps, column_of, count_gaps
from torch_binary_classifier.exceptions import GapWarning
from torch_binary_classifier.interface.problem import WeightedRows

MOST_NAMED = 3


def check_gaps(estimator: Any, features: Any, *, stream: bool = False) -> None:
    """Refuse gaps where no median is known."""
    if estimator.input_norm is None and not stream:
        return
    counts = count_gaps(features)
    if not counts.any():
        return
    column = int(np.flatnonzero(counts)[0])
    row = int(np.argmax(np.isnan(column_of(features, column))))
    where, remedy = "for partial_fit", ""
    if estimator.input_norm is not None:
        where = f"with input_norm={estimator.input_norm!r}"
        remedy = "" if stream else ", or set input_norm=None"
    msg = (
        f"X must hold no gaps (NaN) {where}, got one in row {row} of "
        f"{column_names(estimator)[column]}. Put a SimpleImputer in front{remedy}."
    )
    raise ValueError(msg)


def report_gaps(
    estimator: Any, gaps: Gaps | None, rows: WeightedRows, watched: WeightedRows | None
) -> None:
    """Warn of columns of a fit without values, and of gaps without an indicator."""
    if gaps is None:
        return
    if len(gaps.empty):
        names, n_more = column_names(estimator), len(gaps.empty) - MOST_NAMED
        named = ", ".join(names[column] for column in gaps.empty[:MOST_NAMED])
        more = f" and {n_more} other columns" if n_more > 0 else ""
        msg = (
            f"X must hold values in every column, got only gaps (NaN) in {named}{more}."
            " The network does not see such a column; drop it."
        )
        warnings.warn(msg, GapWarning, stacklevel=3)
    if hasattr(estimator, "classes_"):  # a fit that starts anew knows all gaps of X
        tell_of_new_gaps(estimator, rows.features, gaps.indicated)
    if watched is not None:
        tell_of_new_gaps(estimator, watched.features, gaps.indicated, "X_val")


def tell_of_new_gaps(
    estimator: Any, features: Any, indicated: NDArray[np.intp], name: str = "X"
) -> None:
    """Warn of gaps in columns that have no indicator; they are filled."""
    counts = count_gaps(features)
    counts[indicated] = 0
    if not counts.any():
        return
    msg = (
        f"{name} has gaps (NaN) in columns that had none in training: "
        f"{_counted(estimator, counts)}. Each was taken for its column's median; train "
        "on rows with such gaps if there will be more."
    )
    # Through report_gaps and fit, or _score and a method that scores.
    warnings.warn(msg, GapWarning, stacklevel=4)


def _counted(estimator: Any, counts: NDArray[np.intp]) -> str:
    """Return where most gaps are, and how many, as a phrase."""
    names, order = column_names(estimator), np.argsort(-counts, kind="stable")
    order = order[: np.count_nonzero(counts)]
    first, rest = order[:MOST_NAMED], order[MOST_NAMED:]
    phrase = ", ".join(f"{counts[column]} in {names[column]}" for column in first)
    if not len(rest):
        return phrase
    return f"{phrase} and {counts[rest].sum()} in {len(rest)} other columns"
