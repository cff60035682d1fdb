"""Which columns are on a scale that training suffers from. Knows arrays only.

The limits are those of benchmarks/input_scale.py: where a network sees the columns as
they are, and where it sees them cut into bins and, beside these, centred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from torch_binary_classifier.estimator.input_scale import InputScale, place, sampled

# As they are: the mean of the columns' root mean squares, and that of any of them. The
# initial weights assume 1.
LARGEST_MEAN_SIZE = 50.0
LARGEST_SIZE = 3_000.0
# No column's values lie further apart: those of a 0/1 column, however rare, are 1.
SMALLEST_SPREAD = 0.3
SMALLEST_SAMPLE = 10  # fewer rows may all lie close together by chance
# Beside their bins, the same of deviations; where columns lie and how close together
# makes no difference.
LARGEST_MEAN_DEVIATION = 3_000.0
LARGEST_DEVIATION = 30_000.0

AT_UNIT_SCALE = 0.05  # a standardised column's distance, of a sample of its rows
MOST_NAMED = 3

SCALER = "Put a StandardScaler in front, in a Pipeline"


def harmful(scale: InputScale, *, encoded: bool = False) -> NDArray[np.bool_]:
    """Return which columns make training slow or let it fail.

    Parameters
    ----------
    scale : InputScale
    encoded : bool
        Whether networks see the columns' bins.

    Examples
    --------
    >>> from torch_binary_classifier.estimator.input_scale import measure
    >>> rates = np.random.default_rng(0).normal(92, 5, size=(1000, 1))
    >>> harmful(measure(rates)), harmful(measure(rates), encoded=True)
    (array([ True]), array([False]))
    >>> harmful(measure((rates - 92) / 5))
    array([False])
    """
    if encoded:
        return _large(scale.deviation, LARGEST_MEAN_DEVIATION, LARGEST_DEVIATION)
    return _large(scale.rms, LARGEST_MEAN_SIZE, LARGEST_SIZE) | _still(scale)


def _large(
    size: NDArray[np.float64], largest_mean: float, largest: float
) -> NDArray[np.bool_]:
    """Return the columns that are too large together with others, or alone."""
    with np.errstate(over="ignore"):
        together = size.mean() > largest_mean
    large: NDArray[np.bool_] = size > (largest_mean if together else largest)
    return large


def _still(scale: InputScale) -> NDArray[np.bool_]:
    """Return the columns that vary, if all of them vary too little."""
    varies = scale.varies
    measured = (scale.n_rows >= SMALLEST_SAMPLE) & varies
    still = measured & (scale.spread < SMALLEST_SPREAD)
    nothing = np.zeros_like(still)
    return still if (still == varies).all() else nothing


@dataclass(frozen=True)
class Finding:
    """Something to tell about columns.

    Parameters
    ----------
    kind : str
        What it is, in a word.
    columns : ndarray of int
        All of the columns.
    sentence : str
        For the user; names the worst of them.
    """

    kind: str
    columns: NDArray[np.intp]
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """Which columns harm training.

    Parameters
    ----------
    columns : ndarray of bool
    sentence : str
        How that is known, with a space behind it; empty where moments say it.
    """

    columns: NDArray[np.bool_]
    sentence: str = ""


def find_unscaled(
    features: Any,
    scale: InputScale,
    names: Sequence[str],
    *,
    encoded: bool = False,
    remedy: str = f"{SCALER}.",
    measured: Verdict | None = None,
) -> Finding | None:
    """Return what to say of the columns furthest from unit scale, if anything.

    Without a verdict from measurements, moments decide.
    """
    undivided = left_undivided(features, scale) & (not encoded)
    if measured is None:
        measured = Verdict(harmful(scale, encoded=encoded) & scale.varies)
    off = np.flatnonzero(measured.columns | undivided)
    if not len(off):
        return None
    order = off[np.argsort(-_distance(scale)[off], kind="stable")][:MOST_NAMED]
    columns = ", ".join(f"{names[column]} ({place(scale, column)})" for column in order)
    undivided |= taken_for_constant(scale, features.shape[0])
    remedies = [] if undivided[off].all() else [remedy]
    if undivided[order].any():
        lost = ", ".join(names[column] for column in order if undivided[column])
        remedies.append(
            "A StandardScaler takes a column for constant, and leaves it undivided, "
            "whose values differ too little beside their mean: subtract a constant "
            f"from {lost} first, or drop it if it only numbers the rows."
        )
    return Finding(
        "unscaled",
        off,
        "The input is not on the scale a network learns from; worst columns: "
        f"{columns}. {measured.sentence}{' '.join(remedies)}",
    )


def _distance(scale: InputScale) -> NDArray[np.float64]:
    """Return how far from unit scale columns are, in size and in deviation."""
    tiny = np.finfo(float).tiny
    sizes = (np.maximum(one, tiny) for one in (scale.rms, scale.deviation))
    found: NDArray[np.float64] = np.max([np.abs(np.log(one)) for one in sizes], axis=0)
    return found


def taken_for_constant(scale: InputScale, n_rows: int) -> NDArray[np.bool_]:
    """Return which columns, of so many rows, a StandardScaler would not divide.

    It counts on an error of its mean of one rounding per row.
    """
    rounding = n_rows * np.finfo(np.float64).eps * np.abs(scale.mean)
    return (scale.spread > 0) & (scale.deviation < rounding)


def left_undivided(features: Any, scale: InputScale) -> NDArray[np.bool_]:
    """Return which columns a StandardScaler in front seems not to have divided.

    It divided the others. Here it has left values near 0 that are whole multiples of
    what rounding left of them before, which is not finer than the limit of
    ``taken_for_constant``.
    """
    near = (np.abs(scale.mean) < scale.deviation) & (scale.rms > LARGEST_MEAN_SIZE)
    others = (scale.rms <= LARGEST_MEAN_SIZE) & scale.varies
    at_unit = np.hypot(scale.mean, scale.deviation - 1)[others] < AT_UNIT_SCALE
    if scipy.sparse.issparse(features) or not (at_unit.any() and at_unit.all()):
        return np.zeros_like(near)
    # The power of two below an eighth of the limit, for the roundings on the way.
    _, exponents = np.frexp(scale.rms[near] / (8 * features.shape[0]))
    with np.errstate(over="ignore"):
        steps = sampled(features)[:, near] / np.ldexp(1.0, exponents - 1)
    near[near] = ((steps == np.rint(steps)) | np.isnan(steps)).all(axis=0)
    return near
