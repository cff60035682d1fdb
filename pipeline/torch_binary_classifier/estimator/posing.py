"""From an estimator and its rows to the problem that the trainer gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from torch_binary_classifier.estimator.bins import piecewise_encoding
from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.fitted_state import (
    encoding_of,
    gaps_to_go_by,
)
from torch_binary_classifier.estimator.gaps import count_gaps, plain_encoding
from torch_binary_classifier.estimator.going_on import past_of
from torch_binary_classifier.estimator.holdout import splits_of
from torch_binary_classifier.estimator.parameters import decided
from torch_binary_classifier.estimator.training_data import TrainingData
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.interface.problem import Problem, WeightedRows


def problem_of(
    estimator: Any,
    data: TrainingData,
    watched: WeightedRows | None,
    *,
    going_on: bool,
    max_iter: int,
) -> Problem:
    """Return the problem of a fit, its seeds drawn and everything automatic decided."""
    draws = check_random_state(estimator.random_state).randint(
        np.iinfo(np.int32).max, size=estimator.n_members + 1
    )
    past = past_of(estimator) if going_on else None
    return Problem(
        rows=data.rows,
        settings=decided(estimator, len(data.positions), max_iter),
        seeds=estimator._member_seeds if going_on else [int(one) for one in draws[1:]],
        splits=splits_of(
            estimator,
            data,
            int(draws[0]),
            watched=watched is not None,
            going_on=going_on,
        ),
        watched=watched,
        past=past,
        column_names=column_names(estimator),
        encoding=_encoding(estimator, data, watched, going_on=going_on),
    )


def _encoding(
    estimator: Any,
    data: TrainingData,
    watched: WeightedRows | None,
    *,
    going_on: bool,
) -> Encoding | None:
    """Return how columns become inputs; a fit that goes on keeps its bins."""
    gaps, encoding = gaps_to_go_by(estimator, data), None
    if going_on:
        encoding = encoding_of(estimator)
    elif estimator.encoding is not None and gaps is not None:
        rows = data.rows
        encoding = piecewise_encoding(
            rows.features, rows.weights, estimator.n_bins, gaps
        )
    if encoding is not None or gaps is None:
        return encoding
    tables = [data.rows, watched] if going_on else [watched]
    filled = any(count_gaps(rows.features).any() for rows in tables if rows is not None)
    return plain_encoding(gaps) if filled or len(gaps.indicated) else None
