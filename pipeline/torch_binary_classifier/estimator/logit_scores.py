"""The methods that score rows, of any estimator whose networks have one logit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_expit
from sklearn.utils.validation import check_is_fitted

from torch_binary_classifier.estimator.checked_rows import (
    checked_features,
    column_names,
)
from torch_binary_classifier.estimator.gap_report import tell_of_new_gaps
from torch_binary_classifier.estimator.kinds import (
    indicated_by,
    kinds_of,
    medians_of,
    member_weights,
    networks,
    tempering,
)
from torch_binary_classifier.estimator.scoring_scale import tell_of_other_scale
from torch_binary_classifier.inference.forward import (
    FittedNetwork,
    LogitOverflowError,
    UnscorableError,
    class_probabilities,
    member_probabilities,
    network_logits,
)
from torch_binary_classifier.inference.tempering import Tempering

Score = Callable[[Any, list[FittedNetwork], Any, Tempering | None], Any]


class LogitScores:
    """Scores by the fitted networks, labels by ``classes_``."""

    classes_: Any

    def decision_function(self, X: Any) -> Any:
        """Return the log-odds of the second class, in nats.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``; nan is a gap.

        Returns
        -------
        ndarray of shape (n_rows,)
            Logits; for an ensemble the logit of the mean probability. Corrected and
            tempered, where the fit was to do so.
        """
        return _score(self, X, network_logits)

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of both classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``; nan is a gap.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            Columns in the order of ``classes_``.
        """
        return _score(self, X, class_probabilities)

    def member_probabilities(self, X: Any) -> Any:
        """Return each network's probability of the second class.

        How far they lie apart tells how sure the ensemble is of a row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``; nan is a gap.

        Returns
        -------
        ndarray of shape (n_networks, n_rows)
            In the order of ``member_weights_``, by which their mean is that of
            ``predict_proba``. With ``calibrate`` each is tempered like the mean, whose
            tempered value the mean of these is not exactly.
        """

        def score(features: Any, members: Any, _: Any, own: Tempering | None) -> Any:
            return member_probabilities(features, members, own)

        return _score(self, X, score)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the probabilities, finite for every logit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``; nan is a gap.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            Columns in the order of ``classes_``.
        """
        logits = self.decision_function(X)
        return np.column_stack([log_expit(-logits), log_expit(logits)])

    def predict(self, X: Any) -> Any:
        """Return the more probable label of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``; nan is a gap.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels from ``classes_``.
        """
        positive = self.decision_function(X) > 0
        return self.classes_[positive.astype(np.intp)]


def _score(estimator: Any, X: Any, score: Score) -> Any:
    """Return what ``score`` makes of the rows and the members' networks."""
    if not hasattr(
        estimator, "classes_"
    ):  # the check reads the tags: 8 us of a row's 200
        check_is_fitted(estimator, "classes_")
    # The forward pass looks for nan and inf in rows that are in the cache already;
    # a look at the whole table before is a tenth of the time for many rows.
    features = checked_features(estimator, X, ensure_all_finite=False)
    tell_of_other_scale(estimator, features)
    how = (member_weights(estimator), tempering(estimator))
    try:
        return score(features, networks(estimator), *how)
    except (UnscorableError, LogitOverflowError) as error:
        fill = medians_of(estimator)
        finite = True if fill is None else "allow-nan"
        checked_features(estimator, X, ensure_all_finite=finite)
        if not _is_gap(features, error):
            raise ValueError(_blame(estimator, features, error)) from error
    tell_of_new_gaps(estimator, features, indicated_by(estimator))
    filling = networks(estimator, fill=fill)
    try:
        return score(features, filling, *how)
    except (UnscorableError, LogitOverflowError) as error:
        raise ValueError(_blame(estimator, features, error)) from error


def _is_gap(features: Any, error: UnscorableError | LogitOverflowError) -> bool:
    """Return whether a gap is why a row has no score."""
    if isinstance(error, LogitOverflowError):
        return False
    return bool(np.isnan(features[error.row, error.column]))


def _blame(
    estimator: Any, features: Any, error: UnscorableError | LogitOverflowError
) -> str:
    """Return the sentence for the user about a row that has no score."""
    dtype = kinds_of(estimator)[0]["coefs_"][0].dtype
    if isinstance(error, LogitOverflowError):
        return (
            f"X must hold values whose logits {dtype} can represent, got an "
            f"overflow in row {error.row}. Put a StandardScaler in front."
        )
    name = column_names(estimator)[error.column]
    return (
        f"{name} must hold values that {dtype} can represent, "
        f"got {float(features[error.row, error.column])!r} in row {error.row}."
    )
