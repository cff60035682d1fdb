"""Scores and labels of a fitted classifier, each row scored once; knows no tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from torch_binary_classifier.persistence.manifest import decision_threshold
from torch_binary_classifier.scoring.classes import (
    KNOWN_PACKAGES,
    is_kind_of,
    package_of,
)

__all__ = ["Predictor", "Scores"]

# Their `predict` is the more probable class. No subclass: it may be otherwise.
PROBABLE = {
    "CalibratedClassifierCV",
    "DecisionTreeClassifier",
    "ExtraTreeClassifier",
    "ExtraTreesClassifier",
    "GaussianNB",
    "GradientBoostingClassifier",
    "HistGradientBoostingClassifier",
    "LinearDiscriminantAnalysis",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MLPClassifier",
    "RandomForestClassifier",
}
OURS, SCIKIT_LEARN = KNOWN_PACKAGES[1], KNOWN_PACKAGES[0]
# So near to each other, probabilities may have lost which of two scores was larger.
NEAR = 1e-9


@dataclass(frozen=True)
class Scores:
    """What a classifier says of some rows.

    Attributes
    ----------
    probabilities : ndarray of shape (n_rows,)
        Of ``classes_[1]``.
    logits : ndarray of shape (n_rows,) or None
        The logarithms of the odds of that class, in nats, if they are wanted.
    predictions : ndarray of shape (n_rows,)
        Labels.
    """

    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64] | None
    predictions: NDArray[Any]


class Predictor:
    """A fitted binary classifier that is asked once for all that is wanted of a row.

    Parameters
    ----------
    estimator : object
        The classifier.
    threshold : float or None, default=None
        From which probability on the second class is predicted, 0 to 1; None leaves
        it to the classifier's own ``predict``, by its own threshold if it has one.
    with_logits : bool, default=False
        Whether logits are wanted.

    Raises
    ------
    ValueError
        If there can be no such threshold.

    Notes
    -----
    Where ``predict`` is known to choose the more probable class, the labels follow
    from the probabilities; only rows of about 0.5 are given to ``predict`` as well.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        threshold: float | None = None,
        with_logits: bool = False,
    ) -> None:
        check_threshold(threshold)
        self.estimator = estimator
        own = decision_threshold(estimator)
        self.threshold = own if threshold is None else threshold
        self.with_logits = with_logits
        self.classes = np.asarray(estimator.classes_)
        self._is_ours = _is_ours(_last(estimator))
        self._is_probable = self._is_ours or _is_probable(_last(estimator))

    def scores(self, X: Any) -> Scores:
        """Return what the classifier says of some rows.

        Parameters
        ----------
        X : frame or ndarray of shape (n_rows, n_columns)
            The rows as the classifier takes them.

        Returns
        -------
        Scores
            For each row.
        """
        if self._is_ours:
            return self._by_logits(X)
        both = np.asarray(self.estimator.predict_proba(X), dtype=np.float64)
        probabilities = both[:, 1].copy()
        logits = _log_odds(both) if self.with_logits else None
        return Scores(probabilities, logits, self._labels(X, both))

    def _by_logits(self, X: Any) -> Scores:
        """Return scores of our own classifier, of which the logit tells all."""
        logits = np.asarray(self.estimator.decision_function(X))
        probabilities = expit(logits)
        is_second = (
            logits > 0 if self.threshold is None else probabilities >= self.threshold
        )
        return Scores(
            probabilities,
            logits if self.with_logits else None,
            self._of(is_second),
        )

    def _labels(self, X: Any, both: NDArray[np.float64]) -> NDArray[Any]:
        """Return the labels that follow from the probabilities of both classes."""
        if self.threshold is not None:
            return self._of(both[:, 1] >= self.threshold)
        if not self._is_probable:
            return np.array(self.estimator.predict(X))
        labels = self._of(both[:, 1] > both[:, 0])
        near = np.flatnonzero(np.abs(both[:, 1] - both[:, 0]) < NEAR)
        if near.size:
            labels[near] = self.estimator.predict(_rows(X, near))
        return labels

    def _of(self, is_second: NDArray[np.bool_]) -> NDArray[Any]:
        """Return labels."""
        return np.asarray(self.classes.take(is_second))


def check_threshold(threshold: object) -> None:
    """Refuse what is no probability.

    Parameters
    ----------
    threshold : float or None
        As in `Predictor`.

    Raises
    ------
    ValueError
        If it is neither None nor a number from 0 to 1.
    """
    is_number = isinstance(threshold, Real) and not isinstance(threshold, bool)
    if threshold is not None and not (is_number and 0 <= threshold <= 1):  # type: ignore[operator]
        msg = f"threshold must be a number from 0 to 1, got {threshold!r}."
        raise ValueError(msg)


def _last(model: Any) -> Any:
    """Return the classifier at the end of pipelines and searches."""
    if decision_threshold(model) is not None and hasattr(model, "estimator_"):
        return _last(model.estimator_)
    for kinds, inner in _INNER:
        if is_kind_of(model, *kinds):
            return _last(inner(model))
    return model


def _is_ours(clf: Any) -> bool:
    """Return whether a classifier is our own, of which logits are the scores."""
    kind = type(clf)
    return (package_of(kind), kind.__name__) == (OURS, "TorchBinaryClassifier")


def _is_probable(clf: Any) -> bool:
    """Return whether a classifier predicts the more probable class."""
    if is_kind_of(clf, "PositiveClassifier"):
        inner = _last(clf.estimator_)
        return _is_ours(inner) or _is_probable(inner)
    kind = type(clf)
    return package_of(kind) == SCIKIT_LEARN and kind.__name__ in PROBABLE


def _log_odds(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logits of the probabilities of both classes; infinite for 0 and 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(both[:, 1]) - np.log(both[:, 0]))


def _rows(X: Any, positions: NDArray[np.intp]) -> Any:
    """Return some rows of a frame or an array."""
    if isinstance(X, np.ndarray):
        return X[positions]
    return X.iloc[positions] if hasattr(X, "iloc") else X.take(positions)


_INNER: tuple[tuple[tuple[str, ...], Callable[[Any], Any]], ...] = (
    (("Pipeline",), lambda model: model.steps[-1][1]),
    (("GridSearchCV", "RandomizedSearchCV"), lambda model: model.best_estimator_),
    (("FrozenEstimator",), lambda model: model.estimator),
)
