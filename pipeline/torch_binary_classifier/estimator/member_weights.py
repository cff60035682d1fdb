r"""How much each kind of member counts in the ensemble. Knows arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# As if each kind had been right in so many rows more: small tables stay near equal
# weights.
PRIOR_ROWS = 2.0
N_ITERATIONS = 1000
PRECISION = 1e-6  # of a weight, between two iterations
MOST_ROWS = 100_000  # more do not change a weight in the second digit


def kind_weights(probabilities: Any, targets: Any, weights: Any) -> NDArray[np.float64]:
    r"""Return the weights that predict held-out rows best, one per kind.

    Parameters
    ----------
    probabilities : ndarray of shape (n_kinds, n_rows)
        Each kind's probability of the second class, for rows that it has not seen.
    targets : ndarray of shape (n_rows,)
        0 or 1.
    weights : ndarray of shape (n_rows,)
        Positive; only their ratios count.

    Returns
    -------
    ndarray of shape (n_kinds,)
        Positive, sum 1.

    Notes
    -----
    The mode of the posterior of mixture weights :math:`w` under a Dirichlet prior,
    which maximises :math:`\sum_i v_i \log \sum_k w_k p_{ik} + a \sum_k \log w_k`, with
    :math:`p_{ik}` the probability of row i's own class and weights :math:`v_i` of mean
    1; found by expectation and maximisation [1]_. The function is concave.

    References
    ----------
    .. [1] Dempster, Laird, Rubin, "Maximum Likelihood from Incomplete Data via the EM
       Algorithm", 1977, section 4.3.

    Examples
    --------
    >>> good, bad = [0.9, 0.1, 0.8, 0.2] * 25, [0.5] * 100
    >>> targets = np.array([1, 0, 1, 0] * 25)
    >>> kind_weights(np.array([good, bad]), targets, np.ones(100)).round(2)
    array([0.95, 0.05])
    """
    step = -(-len(targets) // MOST_ROWS)
    shown = np.asarray(probabilities, dtype=np.float64)[:, ::step]
    of_own_class = np.where(np.asarray(targets)[::step] == 1, shown, 1 - shown)
    of_own_class = np.maximum(of_own_class, np.finfo(np.float64).tiny)
    rows = np.asarray(weights, dtype=np.float64)[::step]
    rows = rows / rows.mean()
    n_kinds = len(shown)
    found = np.full(n_kinds, 1 / n_kinds)
    for _ in range(N_ITERATIONS):
        mixture = found @ of_own_class
        counts = found * (of_own_class @ (rows / mixture)) + PRIOR_ROWS
        before, found = found, counts / counts.sum()
        if np.abs(found - before).max() < PRECISION:
            break
    return found
