"""Candidates of a search for parameters, measured in folds one after the other.

Knows scikit-learn's names of parameters; nothing of tables, files or who reads of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, cross_val_score

from torch_binary_classifier.assembly import N_FOLDS

if TYPE_CHECKING:
    from torch_binary_classifier.search.progress import Telling

__all__ = [
    "CHANGES",
    "MOST_TOGETHER",
    "Candidate",
    "default_grid",
    "measured",
    "settled",
    "together",
]

# What `train --tune` tries in place of the default, each value alone.
CHANGES: tuple[tuple[str, Any], ...] = (
    ("clf__learning_rate_init", 0.002),
    ("clf__learning_rate_init", 0.012),
    ("clf__hidden_layer_sizes", (256,)),
    ("clf__hidden_layer_sizes", (128, 128)),
    ("clf__alpha", 1.0),
    ("clf__dropout", 0.35),
    ("clf__encoding", "piecewise"),
    ("clf__encoding", None),
    ("clf__n_bins", 48),
)
# Of those that help, so many are tried together: the best two, the best three.
MOST_TOGETHER = 3
# So many standard errors of the mean difference in the folds are no accident.
CLEAR_ERRORS = 2.0


def default_grid(given: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the candidates that `train --grid` measures, for a step named ``clf``.

    Parameters
    ----------
    given : collection of str, default=()
        Parameters that are not searched for.

    Returns
    -------
    list of dict
        Parameters by name: the default first, and every choice of it and another value
        each for width, bins and penalty, hence 8 candidates. Each of the others is the
        better one on some tables.

    Examples
    --------
    >>> len(default_grid())
    8
    >>> default_grid()[1]
    {'clf__alpha': 'auto', 'clf__hidden_layer_sizes': 'auto', 'clf__n_bins': 48}
    """
    values = {
        "clf__hidden_layer_sizes": ["auto", (256,)],
        "clf__n_bins": ["auto", 48],
        "clf__alpha": ["auto", 1.0],
    }
    return list(
        ParameterGrid({name: own for name, own in values.items() if name not in given})
    )


@dataclass(frozen=True)
class Candidate:
    """Parameters that a search has measured.

    Parameters
    ----------
    parameters : dict of str to object
        By the names that ``set_params`` takes.
    losses : ndarray of shape (N_FOLDS,)
        Log-loss on the rows of each fold, in nats.
    """

    parameters: dict[str, Any]
    losses: NDArray[np.float64]

    @property
    def loss(self) -> float:
        """Mean of the folds' losses."""
        return float(self.losses.mean())

    def is_clearly_better(self, other: Candidate) -> bool:
        """Return whether it is better by more than the folds' differences scatter."""
        gains = other.losses - self.losses
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        return bool(gains.mean() > CLEAR_ERRORS * error)


def measured(
    pipeline: Any,
    parameters: Mapping[str, Any],
    X: Any,
    y: Any,
    telling: Telling | None = None,
) -> Candidate:
    """Return how well a pipeline with some parameters does in folds.

    Parameters
    ----------
    pipeline : estimator
        What to measure; it stays as it is.
    parameters : mapping of str to object
        By the names that ``set_params`` takes.
    X : frame or array-like of shape (n_rows, n_columns)
        Training rows.
    y : array-like of shape (n_rows,)
        Their labels.
    telling : callable, default=None
        As of `told_fits`: who is told how far the fits are.

    Returns
    -------
    Candidate
        Losses in 5 stratified folds, whose networks are trained together.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = [[-1.0], [1.0]] * 5, ["no", "yes"] * 5
    >>> model = LogisticRegression()
    >>> weak, strong = (measured(model, {"C": C}, X, y) for C in (0.1, 1.0))
    >>> strong.loss < weak.loss
    True
    """
    # Needs torch, which a pipeline of other classifiers does without.
    from torch_binary_classifier.search.backend import told_fits
    from torch_binary_classifier.search.progress import untold

    chosen = clone(pipeline).set_params(**parameters)
    with told_fits(telling or untold):
        scores = cross_val_score(
            chosen, X, y, cv=N_FOLDS, scoring="neg_log_loss", error_score="raise"
        )
    return Candidate(dict(parameters), -scores)


def together(default: Candidate, changed: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Return the changes that help, put together: the best two, the best three.

    Parameters
    ----------
    default : Candidate
        Without a change.
    changed : sequence of Candidate
        With one change each.

    Returns
    -------
    list of dict
        Parameters by name, of each the better value; empty where fewer than two help.

    Examples
    --------
    >>> def candidate(loss, **parameters):
    ...     return Candidate(parameters, np.full(5, loss))
    >>> changed = [candidate(0.3, a=1), candidate(0.2, b=1), candidate(0.1, b=2)]
    >>> together(candidate(0.4), changed)
    [{'b': 2, 'a': 1}]
    """
    helpful: dict[str, Any] = {}
    for one in sorted(changed, key=lambda candidate: candidate.loss):
        if one.loss < default.loss:
            for name, value in one.parameters.items():
                helpful.setdefault(name, value)
    names = list(helpful)
    return [
        {name: helpful[name] for name in names[:n_changes]}
        for n_changes in range(2, min(MOST_TOGETHER, len(names)) + 1)
    ]


def settled(default: Candidate, found: Sequence[Candidate]) -> Candidate:
    """Return the best candidate, or the default where that may be an accident.

    Parameters
    ----------
    default : Candidate
        What is kept unless another one is clearly better.
    found : sequence of Candidate
        The others.

    Returns
    -------
    Candidate

    Examples
    --------
    >>> default = Candidate({}, np.array([0.3, 0.4, 0.5]))
    >>> settled(default, [Candidate({"a": 1}, np.array([0.1, 0.5, 0.5]))]).parameters
    {}
    """
    best = min([default, *found], key=lambda candidate: candidate.loss)
    return best if best.is_clearly_better(default) else default
