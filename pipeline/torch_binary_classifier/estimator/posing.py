"""From an estimator and its rows to the problem that the trainer gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.going_on import past_of
from torch_binary_classifier.estimator.holdout import splits_of
from torch_binary_classifier.estimator.parameters import decided
from torch_binary_classifier.estimator.training_data import TrainingData
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
    )
