"""Fitted attributes: what a training leaves of itself, and the networks in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from torch_binary_classifier.estimator.calibration import best_temperature, prior_shift
from torch_binary_classifier.estimator.holdout import Splits
from torch_binary_classifier.estimator.kinds import (
    kinds_of,
    logit_shift,
    medians_of,
    networks_of,
    shifted,
    tempering,
)
from torch_binary_classifier.estimator.member_weights import kind_weights
from torch_binary_classifier.estimator.training_data import TrainingData
from torch_binary_classifier.inference.ensemble import ensemble_logit
from torch_binary_classifier.inference.forward import (
    FittedNetwork,
    member_logits,
    network_logits,
)
from torch_binary_classifier.interface.fitted import Course, FittedMembers
from torch_binary_classifier.interface.problem import Problem, WeightedRows
from torch_binary_classifier.interface.solvers import SOLVERS


def keep(
    estimator: Any,
    data: TrainingData,
    problems: Sequence[Problem],
    found: Sequence[FittedMembers],
) -> Course:
    """Store a training's result as the plain numbers of an estimator.

    Networks of one kind are attributes of the estimator; of several kinds, each has a
    dictionary of the same names.
    """
    going_on = problems[0].past is not None
    kinds = [_kind(*pair) for pair in zip(problems, found, strict=False)]
    if going_on:  # those that an interruption left as they were
        kinds += kinds_of(estimator)[len(kinds) :]
    estimator.classes_ = data.classes
    if len(kinds) == 1:
        estimator.__dict__.update(kinds[0])
    else:
        estimator.kinds_ = kinds
    if data.gaps is not None:
        estimator.__dict__.setdefault("medians_", data.gaps.fill)
    course = Course.of([one.course for one in found])
    _keep_curves(estimator, course, going_on=going_on)
    _count_rows(estimator, problems[0], course, going_on=going_on)
    for name in ("logit_shift_", "temperature_", "oof_decision_function_"):
        estimator.__dict__.pop(name, None)
    if estimator.prior_correction:
        estimator.logit_shift_ = prior_shift(data.class_weights)
    _keep_member_weights(estimator, data, problems[0], kinds)
    return course


def _kind(problem: Problem, fitted: FittedMembers) -> dict[str, Any]:
    """Return the fitted state of one kind of network."""
    by_member = [fitted.coefs, fitted.intercepts]
    coefs, intercepts = ([_of_members(one) for one in layers] for layers in by_member)
    kept: dict[str, Any] = {
        "coefs_": coefs,
        "intercepts_": intercepts,
        "activation_": problem.settings.activation,
        "encoding_": problem.encoding and problem.encoding.as_arrays(),
        "_encoding_name": problem.encoding_name,
        "_solver": problem.settings.solver,
        "_member_seeds": problem.seeds,
        "_training_state": fitted.optimizer_states,
    }
    if fitted.input_mean is not None and fitted.input_deviation is not None:
        kept["input_mean_"] = _of_members(fitted.input_mean)
        kept["input_deviation_"] = _of_members(fitted.input_deviation)
        kept["_standardisation"] = fitted.standardisation
    return kept


def _keep_curves(estimator: Any, course: Course, *, going_on: bool) -> None:
    """Store the losses, behind those of the fits before."""
    before = estimator.loss_curve_ if going_on else []
    held_before = (going_on and estimator.validation_loss_curve_) or []
    estimator.loss_curve_ = before + course.loss_curve
    curve = held_before + course.validation_loss_curve
    estimator.validation_loss_curve_ = curve or None
    scores_before = (going_on and getattr(estimator, "validation_scores_", None)) or []
    estimator.validation_scores_ = (scores_before + course.validation_scores) or None
    estimator.best_loss_ = float(course.best_loss)
    estimator.n_iter_ = course.n_iter


def _count_rows(
    estimator: Any, problem: Problem, course: Course, *, going_on: bool
) -> None:
    """Store how many rows the steps of one network have seen."""
    n_rows = len(problem.rows.targets)
    if problem.splits is not None:
        n_rows = len(problem.splits[0][0])
    if SOLVERS[problem.settings.solver].full_batch:
        n_rows = 0  # as with MLPClassifier, where nothing but its schedule asks
    before = getattr(estimator, "t_", 0) if going_on else 0
    estimator.t_ = before + course.n_iter * n_rows


def _keep_member_weights(
    estimator: Any,
    data: TrainingData,
    problem: Problem,
    kinds: Sequence[Mapping[str, Any]],
) -> None:
    """Weigh the kinds by rows that they have not seen, and their members alike.

    The same rows tell the temperature.
    """
    medians, shift = medians_of(estimator), logit_shift(estimator)
    members = [shifted(networks_of(kind, medians), shift) for kind in kinds]
    n_kinds, n_members = len(kinds), len(members[0])
    by_kind = np.full(n_kinds, 1 / n_kinds)
    out_of_folds = problem.splits is not None and n_members > 1
    unseen = None
    if n_kinds > 1 or out_of_folds or estimator.calibrate:
        unseen = _unseen(members, data, problem)
    if estimator.calibrate:
        # As it stays where a class has too few rows for any to be held out.
        estimator.temperature_ = 1.0
    if unseen is not None:
        logits, rows = unseen[0], _at_prior(unseen[1], estimator, data)
        by_kind = _kind_weights(logits, rows)
        whole = ensemble_logit(logits, by_kind)
        _keep_temperature(estimator, whole, rows)
        if out_of_folds:
            own = tempering(estimator)
            whole = whole if own is None else own.of(whole)
            estimator.oof_decision_function_ = data.as_given(whole)
    elif n_kinds > 1 and problem.past is not None:
        return  # these rows tell nothing more about the kinds
    estimator.member_weights_ = np.repeat(by_kind / n_members, n_members)


def _unseen(
    members: Sequence[Sequence[FittedNetwork]], data: TrainingData, problem: Problem
) -> tuple[NDArray[np.float64], WeightedRows] | None:
    """Return each kind's logits of rows that it has not seen, and the rows.

    They are nan for rows that all have seen; None if these are all rows.
    """
    if problem.splits is not None:
        splits = problem.splits
        logits = [out_of_fold(one, data, splits) for one in members]
        return np.array(logits), data.rows
    rows = problem.watched
    if rows is None:
        return None
    return np.array([network_logits(rows.features, one) for one in members]), rows


def _at_prior(rows: WeightedRows, estimator: Any, data: TrainingData) -> WeightedRows:
    """Return rows with the weights of the prior that their scores are for."""
    if not estimator.prior_correction:
        return rows
    by_class = data.class_weights[rows.targets.astype(np.intp)]
    return replace(rows, weights=rows.weights / by_class)


def _keep_temperature(
    estimator: Any, logits: NDArray[np.float64], rows: WeightedRows
) -> None:
    """Store the temperature of rows that were not trained on, if so wanted."""
    if not estimator.calibrate:
        return
    known = ~np.isnan(logits)
    estimator.temperature_ = best_temperature(
        logits[known],
        rows.targets[known],
        rows.weights[known],
        centre=logit_shift(estimator),
    )


def _kind_weights(
    logits: NDArray[np.float64], rows: WeightedRows
) -> NDArray[np.float64]:
    """Return the kinds' weights by their logits of rows; nan for those to leave out."""
    if len(logits) == 1:
        return np.ones(1)
    known = ~np.isnan(logits[0])
    shown = expit(logits[:, known])
    return kind_weights(shown, rows.targets[known], rows.weights[known])


def _of_members(arrays: Sequence[Any]) -> Any:
    """Return one array; a single member has no axis."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def out_of_fold(
    members: Sequence[FittedNetwork], data: TrainingData, splits: Splits
) -> NDArray[np.float64]:
    """Return each row's logit by the member that held it out; nan where none did."""
    rows = data.rows
    logits = np.full(len(rows.targets), np.nan)
    for network, (_, held_out) in zip(members, splits, strict=True):
        logits[held_out] = member_logits(rows.features[held_out], [network])[0]
    return logits
