"""What is measured of scores and labels; knows arrays, but no pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
    roc_curve,
)

from torch_binary_classifier.report_page.subject import Subject

__all__ = [
    "N_REPEATS",
    "Counts",
    "Importances",
    "cheapest_threshold",
    "counts_of",
    "f1_threshold",
    "importances_of",
    "metrics_of",
    "metrics_on",
    "tuned_threshold",
]

Flags = NDArray[np.bool_]
Scores = NDArray[np.float64]

N_REPEATS = 10
# Rows of the sample whose columns are shuffled, and rows scored in all: some seconds.
MOST_ROWS = 1_000
MOST_SCORED = 1_000_000
FEWEST_ROWS = 50


@dataclass(frozen=True)
class Counts:
    """How many rows of each class are taken for which.

    Attributes
    ----------
    hits, misses : int
        Rows of the positive class by what they are taken for, itself first.
    false_alarms, rejections : int
        Rows of the negative class by what they are taken for, the positive one first.
    """

    hits: int
    misses: int
    false_alarms: int
    rejections: int

    @property
    def shares(self) -> dict[str, float]:
        """Return what shares of rows are right; nan where there are no such rows."""
        called = self.hits + self.false_alarms
        recall = self.hits / (self.hits + self.misses)
        specificity = self.rejections / (self.rejections + self.false_alarms)
        return {
            "Recall": recall,
            "Specificity": specificity,
            "Precision": self.hits / called if called else float("nan"),
            "Balanced accuracy": (recall + specificity) / 2,
        }


@dataclass(frozen=True)
class Importances:
    """How much worse the scores are with one column shuffled.

    Attributes
    ----------
    losses : ndarray of shape (n_columns, n_repeats)
        By which the loss grows, shuffle by shuffle.
    n_rows : int
        Rows that were shuffled.
    loss_name : str
        Which loss.
    """

    losses: Scores
    n_rows: int
    loss_name: str


def metrics_of(
    is_positive: Flags, probabilities: Scores, predicted: Flags
) -> dict[str, float]:
    """Return how good probabilities are, and the labels that follow from them.

    Parameters
    ----------
    is_positive : ndarray of shape (n_rows,)
        The truth.
    probabilities : ndarray of shape (n_rows,)
        Those of the positive class.
    predicted : ndarray of shape (n_rows,)
        What the rows are taken for.

    Returns
    -------
    dict of str to float
        Log-loss in nats and Brier score (lower is better), area under the ROC curve
        (AUC) and the precision-recall curve (PR-AUC, the average precision), accuracy,
        precision, nan where no row is taken for positive, and recall (higher is
        better).
    """
    shares = counts_of(is_positive, predicted).shares
    return {
        "log-loss": float(log_loss(is_positive, probabilities)),
        "Brier score": float(brier_score_loss(is_positive, probabilities)),
        "AUC": float(roc_auc_score(is_positive, probabilities)),
        "PR-AUC": float(average_precision_score(is_positive, probabilities)),
        "accuracy": float(accuracy_score(is_positive, predicted)),
        "precision": shares["Precision"],
        "recall": shares["Recall"],
    }


def metrics_on(
    fitted: Any, X: Any, y: Any, positive: Any, threshold: float | None = None
) -> dict[str, float]:
    """Return how well a fitted classifier does on rows that it has not seen.

    Parameters
    ----------
    fitted : classifier
        A fitted one of two classes, with ``predict_proba``.
    X : table of shape (n_rows, n_columns)
        Rows.
    y : array-like of shape (n_rows,)
        Their labels, both among them.
    positive : label
        The class that the metrics are about.
    threshold : float or None, default=None
        From which probability on a row is taken for that class; None leaves it to the
        classifier's ``predict``.

    Returns
    -------
    dict of str to float
        As of `metrics_of`.
    """
    place = np.asarray(fitted.classes_).tolist().index(positive)
    shares = np.asarray(fitted.predict_proba(X), dtype=float)[:, place]
    predicted = (
        fitted.predict(X) == positive if threshold is None else shares >= threshold
    )
    return metrics_of(np.asarray(y) == positive, shares, np.asarray(predicted))


def counts_of(is_positive: Flags, predicted: Flags) -> Counts:
    """Return the confusion of two classes.

    Parameters
    ----------
    is_positive, predicted : ndarray of shape (n_rows,)
        The truth, and what the rows are taken for.

    Returns
    -------
    Counts
        Rows by both.
    """
    return Counts(
        hits=int((is_positive & predicted).sum()),
        misses=int((is_positive & ~predicted).sum()),
        false_alarms=int((~is_positive & predicted).sum()),
        rejections=int((~is_positive & ~predicted).sum()),
    )


def tuned_threshold(is_positive: Flags, scores: Scores) -> float:
    """Return the threshold of the highest balanced accuracy, found on these rows.

    Parameters
    ----------
    is_positive : ndarray of shape (n_rows,)
        The truth.
    scores : ndarray of shape (n_rows,)
        The more, the likelier; a row counts as positive from the threshold on.

    Returns
    -------
    float
        One of the scores.
    """
    hits, false_alarms, thresholds = _counts_by_threshold(is_positive, scores)
    gains = hits / is_positive.sum() - false_alarms / (~is_positive).sum()
    # The first threshold lies above all scores.
    return float(thresholds[1:][np.argmax(gains[1:])])


def f1_threshold(is_positive: Flags, shares: Scores) -> float:
    """Return the threshold of the highest F1, found on these rows.

    Parameters
    ----------
    is_positive : ndarray of shape (n_rows,)
        The truth.
    shares : ndarray of shape (n_rows,)
        Probabilities of the positive class.

    Returns
    -------
    float
        One of them.
    """
    hits, false_alarms, thresholds = _counts_by_threshold(is_positive, shares)
    gains = 2 * hits / (hits + false_alarms + is_positive.sum())
    return float(thresholds[1:][np.argmax(gains[1:])])


def cheapest_threshold(
    is_positive: Flags, shares: Scores, false_positive: float, false_negative: float
) -> float:
    """Return the threshold of the lowest cost, found on these rows.

    Parameters
    ----------
    is_positive : ndarray of shape (n_rows,)
        The truth.
    shares : ndarray of shape (n_rows,)
        Probabilities of the positive class.
    false_positive, false_negative : float
        What a wrong row of either kind costs.

    Returns
    -------
    float
        One of the probabilities, or 1 where it is cheapest to take no row for
        positive.
    """
    hits, false_alarms, thresholds = _counts_by_threshold(is_positive, shares)
    missed = is_positive.sum() - hits
    costs = false_positive * false_alarms + false_negative * missed
    return min(1.0, float(thresholds[np.argmin(costs)]))


def _counts_by_threshold(
    is_positive: Flags, scores: Scores
) -> tuple[Scores, Scores, Scores]:
    """Return hits and false alarms from each threshold on; the first is infinite."""
    false_shares, true_shares, thresholds = roc_curve(
        is_positive, scores, drop_intermediate=False
    )
    n_positive = is_positive.sum()
    n_negative = len(is_positive) - n_positive
    hits = np.rint(true_shares * n_positive)
    return hits, np.rint(false_shares * n_negative), thresholds


def importances_of(subject: Subject) -> Importances | None:
    """Return how much each column matters to the scores.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    Importances or None
        By log-loss if there are probabilities, else by the area under the ROC curve;
        None for tables whose columns cannot be shuffled, and for more columns than
        can be in reasonable time.
    """
    X = subject.X
    shuffles = hasattr(X, "iloc") or (isinstance(X, np.ndarray) and X.ndim == 2)
    if subject.scores is None or not shuffles:
        return None
    most = min(MOST_ROWS, MOST_SCORED // (X.shape[1] * N_REPEATS))
    if most < FEWEST_ROWS:
        return None
    chosen = _sample(subject.is_positive, most)
    rows = X.iloc[chosen] if hasattr(X, "iloc") else X[chosen]
    place = list(subject.model.classes_).index(subject.model.classes_[1])

    def score(model: Any, rows: Any, truth: Any) -> float:
        if subject.has_probabilities:
            shares = np.asarray(model.predict_proba(rows), dtype=float)[:, place]
            return -float(log_loss(truth, shares, labels=[False, True]))
        return float(roc_auc_score(truth, model.decision_function(rows)))

    found = permutation_importance(
        subject.model,
        rows,
        subject.is_positive[chosen],
        scoring=score,
        n_repeats=N_REPEATS,
        random_state=0,
    )
    name = "log-loss" if subject.has_probabilities else "1 - AUC"
    return Importances(np.asarray(found.importances), len(chosen), name)


def _sample(is_positive: Flags, most: int) -> NDArray[np.intp]:
    """Return so many rows at most, in the table's order, some of either class."""
    chosen = np.arange(len(is_positive))
    if len(chosen) > most:
        # At random: every tenth row may be of one kind.
        drawn = np.random.default_rng(0).permutation(len(chosen))[:most]
        first = [np.flatnonzero(is_positive == flag)[0] for flag in (False, True)]
        chosen = np.unique([*drawn, *first])
    return chosen
