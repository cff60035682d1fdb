"""What came out of one fit; knows arrays and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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
    optimizer_states : list of dict
        As those of `Past`.
    """

    coefs: Sequence[Sequence[Any]]
    intercepts: Sequence[Sequence[Any]]
    standardisation: tuple[Any, Any] | None
    input_mean: Sequence[Any] | None
    input_deviation: Sequence[Any] | None
    loss_curve: list[float]
    validation_loss_curve: list[float]
    best_loss: float
    worst_loss: float
    prior_loss: float
    n_iter: int
    converged: bool
    interrupted: bool
    optimizer_states: list[dict[str, Any]]
