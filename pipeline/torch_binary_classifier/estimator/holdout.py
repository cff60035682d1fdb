"""Which member holds out which row; knows rows by their number and their content.

A member must never be judged by rows that it was trained on, not even rows of an
earlier fit that it goes on from.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from torch_binary_classifier.estimator.automatic import Plan
from torch_binary_classifier.estimator.training_data import TrainingData
from torch_binary_classifier.interface.problem import WeightedRows
from torch_binary_classifier.wording import shown

NOBODY = -1
DIGEST_ELEMENTS = 1 << 20

# Each member's (training rows, held-out rows).
Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


# The member that holds a row out, or -1, for each row of positive weight, and what
# tells the table that these are rows of. It is part of the fitted state: no class.
HeldOut = tuple[NDArray[Any], bytes]


def splits_of(
    estimator: Any, data: TrainingData, plan: Plan, seed: int, *, going_on: bool
) -> Splits | None:
    """Return each member's (training rows, held-out rows); remember them if need be.

    A fit that goes on holds out what the fits before it have held out.
    """
    before: HeldOut | None = estimator.__dict__.pop("_held_out", None)
    if not plan.early_stopping:
        return None
    if going_on:
        holders, _ = estimator._held_out = held_out_again(before, data)
        return splits(holders, plan.n_members)
    holders = draw_holders(
        data.rows.targets,
        n_members=plan.n_members,
        validation_fraction=estimator.validation_fraction,
        seed=seed,
    )
    if estimator.warm_start:
        estimator._held_out = (holders, table_digest(data.rows, data.positions))
    return splits(holders, plan.n_members)


def draw_holders(
    targets: NDArray[np.float64],
    *,
    n_members: int,
    validation_fraction: float,
    seed: int,
) -> NDArray[Any]:
    """Return the member that holds out each row, or -1 where none does.

    Parameters
    ----------
    targets : ndarray of shape (n_rows,)
        0.0 or 1.0; both classes are held out in equal shares.
    n_members : int
        With more than one, each holds out one of as many folds.
    validation_fraction : float
        What one member holds out.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of the smallest type that holds the numbers.

    Raises
    ------
    ValueError
        If there are too few rows.

    Examples
    --------
    >>> targets = np.array([0.0, 1.0] * 5)
    >>> draw_holders(targets, n_members=5, validation_fraction=0.1, seed=0).tolist()
    [2, 0, 0, 2, 1, 1, 3, 4, 4, 3]
    """
    classes = targets.astype(int)
    smallest = int(np.bincount(classes, minlength=2).min())
    holders = np.full(len(targets), NOBODY, dtype=np.min_scalar_type(-n_members))
    if n_members == 1:
        holders[_holdout(classes, smallest, validation_fraction, seed)] = 0
        return holders
    if smallest < n_members:
        msg = (
            f"n_members must be at most the number of rows of the rarer class, "
            f"{smallest}, with early_stopping=True, got {shown(n_members)}."
        )
        raise ValueError(msg)
    folds = StratifiedKFold(n_members, shuffle=True, random_state=seed)
    for member, (_, held_out) in enumerate(folds.split(classes, classes)):
        holders[held_out] = member
    return holders


def _holdout(classes: Any, smallest: int, fraction: float, seed: int) -> Any:
    """Return the rows that one member holds out."""
    n_rows = len(classes)
    n_held_out = int(np.ceil(fraction * n_rows))
    if smallest < 2 or n_held_out < 2 or n_rows - n_held_out < 2:
        msg = (
            f"validation_fraction must leave rows of both classes on both sides, "
            f"got {shown(fraction)} of {n_rows} rows. Set "
            "early_stopping=False or add data."
        )
        raise ValueError(msg)
    _, held_out = train_test_split(
        np.arange(n_rows), test_size=n_held_out, random_state=seed, stratify=classes
    )
    return held_out


def held_out_again(before: HeldOut | None, data: TrainingData) -> HeldOut:
    """Return the rows that earlier fits held out; refuse what may not be them."""
    remedy = "Pass X_val, or set warm_start=False to start anew."
    if before is None:
        msg = (
            "early_stopping must be False with warm_start=True after a fit that did "
            "not hold the same rows out, got True: rows to be held out now may have "
            f"been trained on. {remedy}"
        )
        raise ValueError(msg)
    if table_digest(data.rows, data.positions) != before[1]:
        msg = (
            "X, y and the rows of positive weight must be those of the previous fit "
            "with warm_start=True and early_stopping=True, got another table: rows to "
            f"be held out now may have been trained on. {remedy}"
        )
        raise ValueError(msg)
    return before


def splits(holders: NDArray[Any], n_members: int) -> Splits:
    """Return each member's (training rows, held-out rows)."""
    return [
        (np.flatnonzero(holders != member), np.flatnonzero(holders == member))
        for member in range(n_members)
    ]


def table_digest(rows: WeightedRows, positions: NDArray[np.intp]) -> bytes:
    """Return what tells a table's rows of positive weight from any other's.

    Equal numbers count as equal however they are stored.
    """
    features = rows.features
    found = hashlib.blake2b(repr(features.shape).encode(), digest_size=16)
    found.update(positions.astype(np.int64).tobytes())
    found.update(rows.targets.astype(np.int8).tobytes())
    step = max(1, DIGEST_ELEMENTS // max(1, features.shape[1]))
    for start in range(0, features.shape[0], step):
        chunk: Any = features[start : start + step]
        if scipy.sparse.issparse(features):
            chunk = chunk.toarray()
        chunk = chunk.astype(np.float64) + 0.0  # -0.0 becomes 0.0
        chunk[np.isnan(chunk)] = np.nan  # there are many kinds
        found.update(chunk.tobytes())
    return found.digest()
