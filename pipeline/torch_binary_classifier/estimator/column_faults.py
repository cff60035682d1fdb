"""Columns that no scale helps: constant, lost to rounding or twice there.

Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from torch_binary_classifier.estimator.input_scale import InputScale, place
from torch_binary_classifier.estimator.unscaled_columns import (
    MOST_NAMED,
    Finding,
    harmful,
    taken_for_constant,
)

# float32 has 7 digits: a column so many deviations from 0 has none left to differ in.
LARGEST_OFFSET = 1e6
COMPARED_ROWS = 1_000
# What is left between two columns that rounding to float32 has made different.
ROUNDING = 1e-6


def find_constant(scale: InputScale, names: Sequence[str]) -> Finding | None:
    """Return what to say if no column varies, or of constant ones far from 0.

    A constant near 0 does no harm: one-hot columns of absent categories are such.
    """
    constant = ~scale.varies & (scale.n_rows > 1)
    if constant.all():
        told = "X must have a column that varies, got constant columns only."
        return Finding("constant", np.flatnonzero(constant), told)
    far = np.flatnonzero(constant & harmful(scale))
    if not len(far):
        return None
    order = far[np.argsort(-np.abs(scale.mean[far]), kind="stable")][:MOST_NAMED]
    listed = ", ".join(f"{names[one]} (always {scale.mean[one]:.6g})" for one in order)
    told = f"X has constant columns far from 0: {listed}. Drop them."
    return Finding("constant", far, told)


def find_cancelled(scale: InputScale, names: Sequence[str]) -> Finding | None:
    """Return what to say of columns whose differences float32 does not hold."""
    n_rows = int(np.max(scale.n_rows))
    offset = scale.offset * ~taken_for_constant(scale, n_rows)
    lost = np.flatnonzero(scale.varies & (offset > LARGEST_OFFSET))
    if not len(lost):
        return None
    order = lost[np.argsort(-offset[lost], kind="stable")][:MOST_NAMED]
    listed = ", ".join(f"{names[one]} ({place(scale, one)})" for one in order)
    told = (
        f"float32 cannot tell the values of {listed} apart: subtract a constant while "
        "they are float64, as a StandardScaler in front does, or set dtype='float64'."
    )
    return Finding("cancelled", lost, told)


def find_twins(
    features: Any, scale: InputScale, names: Sequence[str]
) -> Finding | None:
    """Return what to say of columns that equal another one, up to rounding.

    Of columns with two values some are often alike, as one-hots of gaps are, and of
    sparse ones too; nothing is said about them.
    """
    if scipy.sparse.issparse(features):
        return None
    rows = features[:: -(-features.shape[0] // COMPARED_ROWS)]
    pairs = [pair for pair in _candidates(rows, scale) if _are_twins(rows, *pair)]
    if not pairs:
        return None
    listed = ", ".join(
        f"{names[min(pair)]} and {names[max(pair)]}" for pair in pairs[:MOST_NAMED]
    )
    told = f"X has columns that are equal up to rounding: {listed}. Keep one of them."
    return Finding("twins", np.unique(np.array(pairs)), told)


def _candidates(rows: Any, scale: InputScale) -> list[tuple[int, int]]:
    """Return the pairs of columns that may be equal.

    Equal columns have equal products with whatever vector, others have not.
    """
    vector = np.random.default_rng(0).normal(size=len(rows))
    with np.errstate(over="ignore", invalid="ignore"):
        product = vector @ rows
        largest = np.maximum(np.abs(scale.lowest), np.abs(scale.highest))
        reach = ROUNDING * np.sqrt(len(rows)) * largest
    columns = np.flatnonzero(scale.varies & np.isfinite(product))
    order = columns[np.argsort(product[columns], kind="stable")]
    near = np.flatnonzero(np.diff(product[order]) <= reach[order[1:]])
    return [(int(order[at]), int(order[at + 1])) for at in near]


def _are_twins(rows: Any, one: int, other: int) -> bool:
    """Return whether two columns are equal, and have more than two values."""
    first = rows[:, one].astype(np.float64)
    lowest, highest = float(first.min()), float(first.max())
    most = ROUNDING * min(highest - lowest, max(abs(lowest), abs(highest)))
    if not np.allclose(first, rows[:, other], rtol=0, atol=most):
        return False
    return bool(((first > lowest) & (first < highest)).any())
