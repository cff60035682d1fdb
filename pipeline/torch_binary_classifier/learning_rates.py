"""``suggest_learning_rate``: short fits at many rates, trained as one run.

Knows fits from the outside, by their parameters and best losses.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from torch_binary_classifier.classifier import TorchBinaryClassifier
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown

__all__ = ["LearningRates", "suggest_learning_rate"]

RATES = tuple(np.geomspace(1e-4, 1, 17).tolist())
N_EPOCHS = 40
N_REPEATS = 3  # one network may fall out badly at any rate
HELD_OUT = 0.2  # of the rows
# The rate that is best for few epochs is too high for many. Chosen among some seventy
# rules by full fits on seven tables with four kinds of networks: 0.007 nats above the
# best rate on average, 0.1 at worst, which flatters it. Other rules were as near.
BEST_OVER_SUGGESTED = 2.0


@dataclass(frozen=True)
class LearningRates:
    """What short fits say of learning rates.

    Parameters
    ----------
    learning_rate_init : float
        The suggestion.
    rates : ndarray of shape (n_rates,)
        The rates that were tried, rising.
    losses : ndarray of shape (n_rates,)
        Mean log-loss of each on the rows held out, after the last epoch, in nats;
        infinite where a training diverged.
    """

    learning_rate_init: float
    rates: NDArray[np.float64]
    losses: NDArray[np.float64]


def suggest_learning_rate(
    X: Any,
    y: Any,
    estimator: Any = None,
    *,
    sample_weight: Any = None,
    rates: Sequence[float] | None = None,
    n_epochs: int = N_EPOCHS,
    random_state: Any = None,
) -> LearningRates:
    """Suggest a ``learning_rate_init`` by short fits at many rates.

    All rates start from the same weights and see the same rows in the same order; they
    are trained side by side, as by ``batched_fits``.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
        Features as for the estimator's ``fit``.
    y : array-like of shape (n_rows,)
        Labels.
    estimator : TorchBinaryClassifier or Pipeline, default=None
        Whose rate is sought; it is not changed. A Pipeline's last step is the
        classifier, the steps before are fitted to all rows. None for the defaults.
    sample_weight : array-like of shape (n_rows,), default=None
        Row weights, for the classifier only.
    rates : sequence of float, default=None
        Rates to try, each > 0; None for 17 from 0.0001 to 1.
    n_epochs : int, default=40
        Epochs of each, >= 1; the suggestion falls with them.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, orders and rows held out; the same seed gives the same bits.
        None for the estimator's own.

    Returns
    -------
    LearningRates
        The suggestion, ``learning_rate_init``, with the curve it follows from.

    Raises
    ------
    ValueError
        If a parameter or the data is unfit, or every rate diverges.

    Notes
    -----
    Three networks of a kind are trained at each rate, and hold out another fifth of the
    rows each. The suggestion is half of the rate of the lowest mean loss in the end.
    Smith [1]_ raises the rate within one run instead, where each rate goes on from what
    those before have spoilt.

    Take it as a place to begin a search: a full fit at the suggestion was up to 0.04
    nats above one at the best rate on 1,000 rows of two noisy moons.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV
       2017, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> model = TorchBinaryClassifier(random_state=0)
    >>> found = suggest_learning_rate(X, y, model, rates=[0.001, 0.01, 1e6])
    >>> found.learning_rate_init
    0.005
    >>> model = model.set_params(learning_rate_init=found.learning_rate_init)
    """
    tried = _checked_rates(RATES if rates is None else rates)
    X, classifier = _split(
        X, y, TorchBinaryClassifier() if estimator is None else estimator
    )
    _check(classifier, n_epochs)
    state = classifier.random_state if random_state is None else random_state
    classifier.set_params(
        max_iter=n_epochs,
        n_iter_no_change=math.inf,
        n_members=1,
        early_stopping=True,
        validation_fraction=HELD_OUT,
        warm_start=False,
        calibrate=False,
        verbose=False,
    )
    draws = check_random_state(state).randint(np.iinfo(np.int32).max, size=N_REPEATS)
    losses = _losses(classifier, tried, draws.tolist(), (X, y, sample_weight))
    best = float(tried[losses.argmin()])
    return LearningRates(best / BEST_OVER_SUGGESTED, tried, losses)


def _checked_rates(rates: Any) -> NDArray[np.float64]:
    """Return rates, rising; refuse what is no rate."""
    try:
        found = np.unique(np.asarray(rates, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.empty(0)
    if not len(found) or not (np.isfinite(found) & (found > 0)).all():
        msg = f"rates must be a sequence of numbers > 0, got {shown(rates)}."
        raise ValueError(msg)
    return found


def _split(X: Any, y: Any, estimator: Any) -> tuple[Any, TorchBinaryClassifier]:
    """Return the rows as the classifier of an estimator gets them, and a copy of it."""
    steps = estimator[:-1] if isinstance(estimator, Pipeline) else None
    classifier = estimator if steps is None else estimator[-1]
    if not isinstance(classifier, TorchBinaryClassifier):
        msg = (
            "estimator must be a TorchBinaryClassifier or a Pipeline that ends in one, "
            f"got {shown(estimator)}."
        )
        raise ValueError(msg)
    if steps is not None and len(steps):
        X = clone(steps).fit_transform(X, y)
    return X, clone(classifier)


def _check(classifier: TorchBinaryClassifier, n_epochs: Any) -> None:
    """Refuse a solver without a rate, and what is no number of epochs."""
    if isinstance(n_epochs, bool) or not isinstance(n_epochs, int) or n_epochs < 1:
        msg = f"n_epochs must be a whole number >= 1, got {shown(n_epochs)}."
        raise ValueError(msg)
    able = sorted(name for name, solver in SOLVERS.items() if solver.learning_rate)
    others = [name for name in SOLVERS if name not in able]
    if classifier.solver in others:
        msg = (
            f"solver must be one of {able} for suggest_learning_rate, got "
            f"{shown(classifier.solver)}."
        )
        raise ValueError(msg)


def _losses(
    classifier: TorchBinaryClassifier,
    rates: NDArray[np.float64],
    seeds: Sequence[int],
    table: Any,
) -> NDArray[np.float64]:
    """Return the loss at each rate; raise what the lowest rate raises."""
    from torch_binary_classifier.search.backend import batched_fits

    candidates = [
        clone(classifier).set_params(learning_rate_init=rate, random_state=seed)
        for seed in seeds
        for rate in rates
    ]
    for candidate in candidates[1:]:  # once is enough
        candidate.set_params(unscaled_input="ignore")
    fit = delayed(partial(_loss, table))
    with batched_fits(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of rates too high
        found = Parallel(n_jobs=1)(map(fit, candidates))
    if isinstance(found[0], ValueError):
        raise found[0]
    losses = [math.inf if isinstance(one, ValueError) else one for one in found]
    by_seed = np.array(losses, dtype=np.float64).reshape(len(seeds), len(rates))
    mean: NDArray[np.float64] = by_seed.mean(axis=0)
    return mean


def _loss(table: Any, candidate: TorchBinaryClassifier) -> float | ValueError:
    """Return the loss on the rows held out in the end, or why there is none."""
    X, y, sample_weight = table
    try:
        candidate.fit(X, y, sample_weight)
    except ValueError as error:
        return error
    curve = candidate.validation_loss_curve_
    assert curve is not None
    return curve[-1]
