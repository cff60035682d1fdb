"""From the scores that were trained to probabilities; knows arrays only."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

# Of temperatures, which no network in its senses needs to leave.
LOWEST, HIGHEST = 0.05, 20.0
# How far inverse temperatures lie from 1, known before any row is seen: defaults on
# seven tables are best by 0.88 to 1.15.
SPREAD = 0.25

Array = NDArray[np.float64]


def prior_shift(class_weights: Array) -> float:
    r"""Return what brings logits back to the prior that class weights have changed.

    Parameters
    ----------
    class_weights : ndarray of shape (2,)
        Positive.

    Returns
    -------
    float
        To be added, in nats.

    Notes
    -----
    Weights multiply the odds that a network learns by :math:`w_1 / w_0` [1]_, as the
    sampling of rare events does [2]_.

    References
    ----------
    .. [1] C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001,
       theorem 2.
    .. [2] G. King, L. Zeng, "Logistic Regression in Rare Events Data", Political
       Analysis 9, 2001, section 4.1.

    Examples
    --------
    >>> round(prior_shift(np.array([0.5, 50.0])), 3)
    -4.605
    """
    first, second = np.log(class_weights)
    return float(first - second)


def best_temperature(
    logits: Array, targets: Array, weights: Array, *, centre: float = 0.0
) -> float:
    r"""Return the temperature of least log-loss.

    Parameters
    ----------
    logits : ndarray of shape (n_rows,)
        Of rows that were not trained on.
    targets : ndarray of shape (n_rows,)
        0.0 or 1.0.
    weights : ndarray of shape (n_rows,)
        Positive; only their ratios count.
    centre : float
        The logit that stays as it is.

    Returns
    -------
    float
        In 0.05 to 20.

    Notes
    -----
    With :math:`\beta = 1 / T` the loss of :math:`c + \beta (z - c)` is convex, so that
    the root of its derivative is the only minimum [1]_. To the loss of
    :math:`n = (\sum w)^2 / \sum w^2` rows, which tell as much with equal weights,
    :math:`(\beta - 1)^2 / (2 s^2)` is added, s = 0.25: rows that are few, or that are
    separated perfectly, would have T far from 1 by chance.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, section 4.2.

    Examples
    --------
    >>> targets = (np.arange(1000) < 731).astype(float)  # 1 / (1 + exp(-1)) of them
    >>> round(best_temperature(np.full(1000, 2.0), targets, np.ones(1000)), 1)
    2.0
    """
    weights = weights / weights.mean()
    weights *= weights.sum() / np.square(weights).sum()  # now their sum is n
    slope = partial(_slope, logits - centre, targets, weights, centre)
    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    return float(1 / brentq(slope, low, high))


def _slope(
    logits: Array, targets: Array, weights: Array, centre: float, inverse: float
) -> float:
    """Return the derivative of what is to be least by the inverse temperature."""
    errors = expit(centre + inverse * logits) - targets
    loss = (weights * logits * errors).sum()  # no BLAS: its threads change bits
    return float(loss + (inverse - 1) / SPREAD**2)
