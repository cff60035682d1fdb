"""From an estimator and its rows to the problems that the trainer gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from torch_binary_classifier.estimator.automatic import Kind, Plan
from torch_binary_classifier.estimator.bins import piecewise_encoding
from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.gaps import Gaps, count_gaps, plain_encoding
from torch_binary_classifier.estimator.going_on import pasts_of
from torch_binary_classifier.estimator.holdout import splits_of
from torch_binary_classifier.estimator.kinds import encoding_of, gaps_to_go_by, kinds_of
from torch_binary_classifier.estimator.training_data import TrainingData
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.interface.problem import Past, Problem, WeightedRows


def problems_of(
    estimator: Any,
    data: TrainingData,
    watched: WeightedRows | None,
    plan: Plan,
    *,
    going_on: bool,
) -> list[Problem]:
    """Return the problem of each kind of network, the seeds drawn."""
    if estimator.calibrate and watched is None and estimator.early_stopping is False:
        msg = (
            "calibrate must be False where no rows are held out, got True. Set "
            "early_stopping=True or pass X_val."
        )
        raise ValueError(msg)
    n_kinds = len(plan.kinds)
    draws = check_random_state(estimator.random_state).randint(
        np.iinfo(np.int32).max, size=plan.n_members * n_kinds + 1
    )
    seeds = draws[1:].reshape(n_kinds, plan.n_members).tolist()
    encodings = _encodings(estimator, data, watched, plan, going_on=going_on)
    pasts: list[Past] | list[None] = [None] * n_kinds
    if going_on:
        pasts = pasts_of(estimator)
        seeds = [kind["_member_seeds"] for kind in kinds_of(estimator)]
    splits = splits_of(estimator, data, plan, int(draws[0]), going_on=going_on)
    return [
        Problem(
            rows=data.rows,
            settings=kind.settings,
            seeds=seeds[number],
            splits=splits,
            watched=watched,
            past=pasts[number],
            column_names=column_names(estimator),
            encoding=encodings[number],
            encoding_name=kind.encoding,
        )
        for number, kind in enumerate(plan.kinds)
    ]


def _encodings(
    estimator: Any,
    data: TrainingData,
    watched: WeightedRows | None,
    plan: Plan,
    *,
    going_on: bool,
) -> list[Encoding | None]:
    """Return how columns become the inputs of each kind; None for as they are."""
    gaps = gaps_to_go_by(estimator, data.gaps)
    if going_on:
        found = [encoding_of(kind) for kind in kinds_of(estimator)]
    else:
        found = [_encoding(kind, data.rows, gaps) for kind in plan.kinds]
    if gaps is None:
        return found
    tables = [watched, data.rows if going_on else None]  # or they are indicated
    filled = len(gaps.indicated) > 0 or any(
        count_gaps(rows.features).any() for rows in tables if rows is not None
    )
    return [one or plain_encoding(gaps) for one in found] if filled else found


def _encoding(kind: Kind, rows: WeightedRows, gaps: Gaps | None) -> Encoding | None:
    """Return the encoding of the rows by one kind."""
    if kind.encoding is None or gaps is None:
        return None
    return piecewise_encoding(rows.features, rows.weights, kind.n_bins, gaps)
