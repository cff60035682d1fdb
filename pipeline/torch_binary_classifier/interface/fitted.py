"""What came out of one fit; knows arrays and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Course:
    """How a training went.

    Parameters
    ----------
    loss_curve, validation_loss_curve : list of float
        Averages over the members, epoch by epoch.
    best_loss : float
        Average of the members' lowest watched losses.
    worst_loss : float
        Highest of the members' cross-entropies on the rows that they watched, in the
        end.
    prior_loss : float
        That of the class frequencies alone.
    n_iter : int
        Epochs of the member that was trained longest.
    converged, interrupted : bool
        Whether the stopping rule ended the training of all, and whether the user did.
    validation_scores : list of float
        Share of the rows held out that was right, averaged, epoch by epoch.
    """

    loss_curve: list[float]
    validation_loss_curve: list[float]
    best_loss: float
    worst_loss: float
    prior_loss: float
    n_iter: int
    converged: bool
    interrupted: bool
    validation_scores: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, courses: Sequence[Course]) -> Course:
        """Return several trainings of equally many members as one."""
        if len(courses) == 1:
            return courses[0]
        return cls(
            mean_curve([one.loss_curve for one in courses]),
            mean_curve([one.validation_loss_curve for one in courses]),
            math.fsum(one.best_loss for one in courses) / len(courses),
            max(one.worst_loss for one in courses),
            courses[0].prior_loss,
            max(one.n_iter for one in courses),
            all(one.converged for one in courses),
            any(one.interrupted for one in courses),
            mean_curve([one.validation_scores for one in courses]),
        )


@dataclass(frozen=True)
class FittedMembers:
    """The members' weights, layer by layer, and how the training went.

    Parameters
    ----------
    coefs, intercepts : list of list of ndarray
        Each layer's weights, and its biases, by member.
    standardisation : (ndarray, ndarray) or None
        Shift and scale of each column in front of a normalisation.
    input_mean, input_deviation : list of ndarray or None
        What each member's normalisation subtracts and divides by, in the units of the
        features; the standardisation in front of it is included.
    course : Course
    optimizer_states : list of dict
        As those of `Past`.
    """

    coefs: Sequence[Sequence[Any]]
    intercepts: Sequence[Sequence[Any]]
    standardisation: tuple[Any, Any] | None
    input_mean: Sequence[Any] | None
    input_deviation: Sequence[Any] | None
    course: Course
    optimizer_states: list[dict[str, Any]]


def mean_curve(curves: Sequence[list[float]]) -> list[float]:
    """Average curves epoch by epoch; one that has ended keeps its last value."""
    length = max(len(curve) for curve in curves)
    filled = [curve + [curve[-1]] * (length - len(curve)) for curve in curves if curve]
    if not filled:
        return []
    return [math.fsum(values) / len(values) for values in zip(*filled, strict=True)]
