"""Fitted attributes: what a training leaves of itself, and the networks in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.gaps import Gaps
from torch_binary_classifier.estimator.holdout import Splits
from torch_binary_classifier.estimator.training_data import TrainingData
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.forward import FittedNetwork, member_logits
from torch_binary_classifier.interface.fitted import FittedMembers
from torch_binary_classifier.interface.problem import Problem


def keep(
    estimator: Any, data: TrainingData, problem: Problem, fitted: FittedMembers
) -> None:
    """Store a training's result as the plain numbers of an estimator."""
    estimator.classes_, estimator._member_seeds = data.classes, problem.seeds
    by_member = [fitted.coefs, fitted.intercepts]
    estimator.coefs_, estimator.intercepts_ = (
        [_of_members(layer) for layer in layers] for layers in by_member
    )
    estimator.activation_ = str(estimator.activation)
    estimator._solver = str(estimator.solver)
    if fitted.input_mean is not None and fitted.input_deviation is not None:
        estimator.input_mean_ = _of_members(fitted.input_mean)
        estimator.input_deviation_ = _of_members(fitted.input_deviation)
        estimator._standardisation = fitted.standardisation
    estimator.encoding_ = problem.encoding and problem.encoding.as_arrays()
    estimator._encoding_name = estimator.encoding
    if data.gaps is not None:  # a fit that goes on has them
        estimator.__dict__.setdefault("medians_", data.gaps.fill)
    _keep_curves(estimator, fitted, going_on=problem.past is not None)
    estimator._training_state = fitted.optimizer_states
    estimator.__dict__.pop("oof_decision_function_", None)
    if problem.splits is not None and len(problem.seeds) > 1:
        members = networks(estimator, fill=medians_of(estimator))
        logits = out_of_fold(members, data, problem.splits)
        estimator.oof_decision_function_ = logits


def _keep_curves(estimator: Any, fitted: FittedMembers, *, going_on: bool) -> None:
    """Store the losses, behind those of the fits before."""
    before = estimator.loss_curve_ if going_on else []
    held_before = (going_on and estimator.validation_loss_curve_) or []
    estimator.loss_curve_ = before + fitted.loss_curve
    curve = held_before + fitted.validation_loss_curve
    estimator.validation_loss_curve_ = curve or None
    estimator.best_loss_ = float(fitted.best_loss)
    estimator.n_iter_ = fitted.n_iter


def _of_members(arrays: Sequence[Any]) -> Any:
    """Return one array; a single member has no axis."""
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def encoding_of(estimator: Any) -> Encoding | None:
    """Return how the estimator's columns become inputs."""
    kept = getattr(estimator, "encoding_", None)
    return None if kept is None else Encoding(**kept)


def medians_of(estimator: Any) -> NDArray[Any] | None:
    """Return what stands for gaps; None if the estimator takes none."""
    return getattr(estimator, "medians_", None)


def gaps_to_go_by(estimator: Any, data: TrainingData) -> Gaps | None:
    """Return what a fit does about gaps: what the one did that it goes on from."""
    if data.gaps is None or not hasattr(estimator, "coefs_"):
        return data.gaps
    encoding, fill = encoding_of(estimator), medians_of(estimator)
    return Gaps(
        data.gaps.fill if fill is None else fill,
        np.empty(0, np.intp) if encoding is None else encoding.indicated,
    )


def networks(
    estimator: Any, *, fill: NDArray[Any] | None = None
) -> list[FittedNetwork]:
    """Return the members' networks; ``fill`` stands for gaps without an indicator."""
    mean = getattr(estimator, "input_mean_", None)
    deviation = getattr(estimator, "input_deviation_", None)
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    activation, encoding = estimator.activation_, encoding_of(estimator)
    if coefs[0].ndim == 2:
        return [
            FittedNetwork(
                coefs, intercepts, activation, mean, deviation, encoding, fill
            )
        ]
    return [
        FittedNetwork(
            [coef[member] for coef in coefs],
            [intercept[member] for intercept in intercepts],
            activation,
            None if mean is None else mean[member],
            None if deviation is None else deviation[member],
            encoding,
            fill,
        )
        for member in range(len(coefs[0]))
    ]


def out_of_fold(
    members: Sequence[FittedNetwork], data: TrainingData, splits: Splits
) -> NDArray[np.float64]:
    """Return each row's logit by the member that held it out; nan where none did."""
    logits = np.full(data.n_given, np.nan)
    for network, (_, held_out) in zip(members, splits, strict=True):
        rows = data.rows.features[held_out]
        logits[data.positions[held_out]] = member_logits(rows, [network])[0]
    return logits
