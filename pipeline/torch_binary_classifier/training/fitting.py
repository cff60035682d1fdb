"""One fit from its problem to its fitted members.

Knows arrays and the trainer; nothing of labels, estimators or files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import xlog1py, xlogy

from torch_binary_classifier.interface.fitted import FittedMembers
from torch_binary_classifier.interface.problem import Problem
from torch_binary_classifier.interface.watching import Watcher
from torch_binary_classifier.training.diagnosis import divergence
from torch_binary_classifier.training.fitted import fitted
from torch_binary_classifier.training.in_step import train_in_step
from torch_binary_classifier.training.members import MemberResult
from torch_binary_classifier.training.run import train_alone
from torch_binary_classifier.training.standardisation import Standardisation
from torch_binary_classifier.training.start import bounded, prepared
from torch_binary_classifier.training.trainer import Trainer


def train_members(problem: Problem, trainer: Trainer | None = None) -> FittedMembers:
    """Train one member per seed.

    Parameters
    ----------
    problem : Problem
        What is to be learned.
    trainer : callable or None
        Trains the members in the company of others. With None they are trained at
        once, alone.

    Returns
    -------
    FittedMembers

    Raises
    ------
    ValueError
        If a value overflows, batch normalisation has one row only, or the training
        diverges.
    """
    standardisation = _standardisation(problem)
    train = trainer or train_alone
    # No name for the training here: its tables are freed where equal ones are known.
    results = train(prepared(problem, standardisation))
    return _fitted(results, problem, standardisation)


def train_watched(problems: Sequence[Problem], watcher: Watcher) -> list[FittedMembers]:
    """Train the members of several problems side by side, and tell of each epoch.

    Parameters
    ----------
    problems : sequence of Problem
        One of each kind of network.
    watcher : Watcher
        Who is told, and may end the training.

    Returns
    -------
    list of FittedMembers
        By problem; the same bits as those of ``train_members``.

    Raises
    ------
    ValueError
        As ``train_members``.
    """
    standardisations = [_standardisation(problem) for problem in problems]
    trainings = [
        prepared(*pair) for pair in zip(problems, standardisations, strict=True)
    ]

    def all_fitted(found: list[list[MemberResult]]) -> list[FittedMembers]:
        return [
            _fitted(*one) for one in zip(found, problems, standardisations, strict=True)
        ]

    return all_fitted(train_in_step(trainings, watcher, all_fitted))


def _fitted(
    results: list[MemberResult],
    problem: Problem,
    standardisation: Standardisation | None,
) -> FittedMembers:
    """Return the members' results as plain numbers; refuse those that are none."""
    _check_finite_results(results, problem)
    worst_loss = max(_final_loss(one, problem) for one in results)
    return fitted(results, standardisation, worst_loss, _prior_loss(problem))


def _standardisation(problem: Problem) -> Standardisation | None:
    """Return how features are brought near zero and one before a normalisation."""
    if problem.settings.input_norm is None:
        return None
    if problem.past is not None and problem.past.standardisation is not None:
        return Standardisation(*problem.past.standardisation)
    return Standardisation.of(problem.rows.features, problem.rows.weights)


def _check_finite_results(results: Sequence[MemberResult], problem: Problem) -> None:
    """Refuse the results of a training that has diverged."""
    row_weight = float(problem.rows.weights.mean())
    for result in results:
        if result.diverged_epoch is not None:
            dtype = str(result.state.coefs[0].dtype).removeprefix("torch.")
            epoch, largest = result.diverged_epoch, _largest_value(problem)
            raise ValueError(
                divergence(epoch, problem.settings, dtype, row_weight, largest)
            )


def _largest_value(problem: Problem) -> float:
    """Return the largest absolute value that the networks were shown of the columns."""
    if problem.encoding is not None or problem.settings.input_norm is not None:
        return 1.0  # in the units of the bins, or of the normalisation
    features = problem.rows.features
    values = features if isinstance(features, np.ndarray) else features.data
    return float(np.abs(values).max(initial=0.0))


def _final_loss(result: MemberResult, problem: Problem) -> float:
    """Return a member's cross-entropy on the rows that it watched, in the end."""
    if result.validation_loss_curve:
        return min(result.validation_loss_curve)
    settings, weights = problem.settings, problem.rows.weights
    n_batches = -(-len(weights) // settings.batch_size)
    strength = settings.alpha * n_batches / (2 * weights.sum())
    squares = sum(float(coef.double().square().sum()) for coef in result.state.coefs)
    return float(result.loss_curve[-1] - strength * squares)


def _prior_loss(problem: Problem) -> float:
    """Return the loss on watched rows if every row gets the training rows' prior."""
    rows, watched = problem.rows, problem.watched or problem.rows
    share = bounded(np.average(rows.targets, weights=rows.weights))
    found = float(np.average(watched.targets, weights=watched.weights))
    return float(-(xlogy(found, share) + xlog1py(1 - found, -share)))
