"""The members' logits as one logit in NumPy; knows logits only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

LEAST_EXACT_PROBABILITY = 1e-290  # far above the subnormal numbers


def ensemble_logit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the logit of the members' mean probability, shape (n_rows,).

    Parameters
    ----------
    logits : ndarray of shape (n_members, n_rows)
        Members' logits, in nats.

    Notes
    -----
    :math:`\log\sum_k \sigma(z_k) - \log\sum_k \sigma(-z_k)`, without rounding a
    probability to 0 or 1. Members are added in their order: a sum along an axis would
    take another order for one row than for many.

    Examples
    --------
    >>> float(ensemble_logit(np.array([[-800.0], [-800.0]]))[0])
    -800.0
    """
    if len(logits) == 1:
        only: NDArray[np.float64] = logits[0]
        return only
    positive = _sum_of_members(expit(logits))
    negative = _sum_of_members(expit(-logits))
    least = LEAST_EXACT_PROBABILITY
    result: NDArray[np.float64] = np.log(np.maximum(positive, least))
    result -= np.log(np.maximum(negative, least))
    extreme = np.minimum(positive, negative) < least
    if extreme.any():
        kept = logits[:, extreme]
        result[extreme] = _log_sum_of_sigmoids(kept) - _log_sum_of_sigmoids(-kept)
    return result


def _log_sum_of_sigmoids(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log of the members' sum of sigmoids where these would underflow."""
    logarithms = log_expit(logits)
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
