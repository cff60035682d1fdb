"""The members' logits as one logit in NumPy; knows logits only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

LEAST_EXACT_PROBABILITY = 1e-290  # far above the subnormal numbers


def ensemble_logit(
    logits: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    r"""Return the logit of the members' mean probability, shape (n_rows,).

    Parameters
    ----------
    logits : ndarray of shape (n_members, n_rows)
        Members' logits, in nats.
    weights : ndarray of shape (n_members,), optional
        Of the members in the mean, not negative, not all 0; equal by default.

    Notes
    -----
    :math:`\log\sum_k w_k \sigma(z_k) - \log\sum_k w_k \sigma(-z_k)`, without rounding
    a probability to 0 or 1. Members are added in their order: a sum along an axis would
    take another order for one row than for many.

    Examples
    --------
    >>> float(ensemble_logit(np.array([[-800.0], [-800.0]]))[0])
    -800.0
    """
    if weights is not None:
        logits, weights = logits[weights > 0], weights[weights > 0, np.newaxis]
    if len(logits) == 1:
        only: NDArray[np.float64] = logits[0]
        return only
    positive = _sum_of_sigmoids(logits, weights)
    negative = _sum_of_sigmoids(-logits, weights)
    least = LEAST_EXACT_PROBABILITY
    result: NDArray[np.float64] = np.log(np.maximum(positive, least))
    result -= np.log(np.maximum(negative, least))
    extreme = np.minimum(positive, negative) < least
    if extreme.any():
        kept = logits[:, extreme]
        above, below = (_log_sum_of_sigmoids(z, weights) for z in (kept, -kept))
        result[extreme] = above - below
    return result


def _sum_of_sigmoids(
    logits: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the members' weighted sum of sigmoids."""
    sigmoids = expit(logits)
    return _sum_of_members(sigmoids if weights is None else sigmoids * weights)


def _log_sum_of_sigmoids(
    logits: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the log of this sum where sigmoids would underflow."""
    logarithms = log_expit(logits)
    if weights is not None:
        logarithms += np.log(weights)
    highest: NDArray[np.float64] = logarithms.max(axis=0)
    total = _sum_of_members(np.exp(logarithms - highest))
    result: NDArray[np.float64] = highest + np.log(total)
    return result


def _sum_of_members(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the first axis, member after member."""
    total: NDArray[np.float64] = values[0].copy()
    for own in values[1:]:
        total += own
    return total
