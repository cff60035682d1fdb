"""Columns that no scale helps: constant, lost to rounding or twice there.

Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

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
    pairs = _twins(np.asarray(rows, dtype=np.float64), scale)
    if not pairs:
        return None
    listed = ", ".join(
        f"{names[min(pair)]} and {names[max(pair)]}" for pair in pairs[:MOST_NAMED]
    )
    told = f"X has columns that are equal up to rounding: {listed}. Keep one of them."
    return Finding("twins", np.unique(np.array(pairs)), told)


def _twins(rows: NDArray[np.float64], scale: InputScale) -> list[tuple[int, int]]:
    """Return pairs of equal columns, each column beside the next one alike.

    Equal columns have equal products with whatever vector, others have not.
    """
    several = scale.varies & ~(rows == scale.lowest).all(axis=0)
    several &= ~((rows == scale.lowest) | (rows == scale.highest)).all(axis=0)
    columns = np.flatnonzero(several & np.isfinite(rows).all(axis=0))
    centred = rows[:, columns] - scale.mean[columns]
    vector = np.random.default_rng(0).normal(size=len(rows))
    with np.errstate(over="ignore", invalid="ignore"):
        product = vector @ centred
    order = np.argsort(product, kind="stable")
    largest = np.abs(rows[:, columns]).max(axis=0, initial=0.0)
    reach = ROUNDING * np.sqrt(len(rows)) * 10 * largest
    near = np.abs(np.diff(product[order])) <= reach[order[1:]]
    found = []
    for at in np.flatnonzero(near):
        one, other = order[at], order[at + 1]
        most = ROUNDING * min(largest[one], np.ptp(rows[:, columns[one]]))
        if np.abs(rows[:, columns[one]] - rows[:, columns[other]]).max() <= most:
            found.append((int(columns[one]), int(columns[other])))
    return found
