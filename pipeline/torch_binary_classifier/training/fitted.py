"""Members' results as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torch_binary_classifier.interface.fitted import Course, FittedMembers, mean_curve
from torch_binary_classifier.training.members import MemberResult, MemberState
from torch_binary_classifier.training.normalisation import BATCH_NORM_EPSILON
from torch_binary_classifier.training.standardisation import Standardisation


def fitted(
    results: list[MemberResult],
    standardisation: Standardisation | None,
    worst_loss: float,
    prior_loss: float,
) -> FittedMembers:
    """Return the members' results as plain numbers."""
    states = [result.state for result in results]
    n_layers = len(states[0].coefs)
    mean, deviation = _normalisations(states, standardisation)
    return FittedMembers(
        [[one.coefs[layer].numpy() for one in states] for layer in range(n_layers)],
        [
            [one.intercepts[layer].numpy() for one in states]
            for layer in range(n_layers)
        ],
        None
        if standardisation is None
        else (standardisation.shift, standardisation.scale),
        mean,
        deviation,
        _course(results, worst_loss, prior_loss),
        [
            {
                "moments": {name: value.numpy() for name, value in one.moments.items()},
                "n_steps": one.n_steps,
                "n_epochs": one.n_epochs,
            }
            for one in states
        ],
    )


def _course(
    results: Sequence[MemberResult], worst_loss: float, prior_loss: float
) -> Course:
    """Return how the training of all members went."""
    watched = [one.validation_loss_curve or one.loss_curve for one in results]
    return Course(
        mean_curve([one.loss_curve for one in results]),
        mean_curve([one.validation_loss_curve for one in results]),
        float(np.mean([min(curve) for curve in watched])),
        worst_loss,
        prior_loss,
        max(len(one.loss_curve) for one in results),
        all(one.converged for one in results),
        any(one.interrupted for one in results),
        mean_curve([one.validation_scores for one in results]),
    )


def _normalisations(
    states: Sequence[MemberState], standardisation: Standardisation | None
) -> tuple[list[Any] | None, list[Any] | None]:
    """Return what each member subtracts from the features and divides them by."""
    if standardisation is None:
        return None, None
    shift, scale = standardisation.shift, standardisation.scale
    means, deviations = [], []
    for state in states:
        assert state.input_mean is not None
        assert state.input_variance is not None
        means.append(shift + scale * state.input_mean.double().numpy())
        variance = state.input_variance.double().numpy()
        deviations.append(scale * np.sqrt(variance + BATCH_NORM_EPSILON))
    return means, deviations
