"""The parts of the page that are about scores: how good they are, what they decide."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

from torch_binary_classifier.persistence.manifest import decision_threshold
from torch_binary_classifier.pictures.drawing import label_of
from torch_binary_classifier.report_page.drawing import drawn
from torch_binary_classifier.report_page.markup import (
    figure,
    paragraph,
    row_of,
    section,
    table,
)
from torch_binary_classifier.report_page.measures import (
    Counts,
    counts_of,
    metrics_of,
    tuned_threshold,
)
from torch_binary_classifier.report_page.subject import LOGISTIC, PRIOR, Subject

__all__ = ["calibration", "curves", "decisions", "summary"]

OURS = "this model"
# Rows of one point of a calibration curve, at least; points at most.
ROWS_PER_POINT = 20
MOST_POINTS = 10
N_BARS = 20
LEGEND = {"fontsize": "small", "frameon": False}


def summary(subject: Subject) -> str:
    """Return how good the model is beside others.

    Parameters
    ----------
    subject : Subject
        The model, the rows and the scores.

    Returns
    -------
    str
        HTML; nothing for a model without probabilities.
    """
    if subject.probabilities is None:
        return ""
    truth = subject.is_positive
    metrics = {OURS: metrics_of(truth, subject.probabilities, subject.predicted)}
    threshold = decision_threshold(subject.model)
    for name, shares in subject.rivals.items():
        taken = shares >= (0.5 if threshold is None else threshold)
        metrics[name] = metrics_of(truth, shares, taken)
    titles = ["", *(f"{name[:1].upper()}{name[1:]}" for name in metrics[OURS])]
    rows = [[name, *map(_shown, values.values())] for name, values in metrics.items()]
    words = (
        "Log-loss and Brier score: lower is better. Area under the ROC curve (AUC) and "
        "under the precision-recall curve (PR-AUC, the average precision), accuracy, "
        "precision and recall: higher is better."
    )
    return section(
        "Scores",
        _verdict({name: values["log-loss"] for name, values in metrics.items()}),
        table(titles, rows),
        paragraph(words, kind="note"),
        paragraph(_of_rivals(subject), kind="note"),
    )


def _shown(value: float) -> str:
    """Return a metric, "none" for one that these rows do not tell."""
    return "none" if np.isnan(value) else f"{value:.4f}"


def _verdict(losses: dict[str, float]) -> str:
    """Return a warning if a simpler classifier has the lower log-loss."""
    ours = losses[OURS]
    better = [name for name in (PRIOR, LOGISTIC) if losses.get(name, np.inf) < ours]
    if not better:
        return ""
    simpler = {PRIOR: "the class frequencies alone", LOGISTIC: "a logistic regression"}
    return paragraph(
        f"On these rows the lower log-loss is that of {simpler[better[0]]}: "
        f"{losses[better[0]]:.4f} against {ours:.4f}.",
        kind="warning",
    )


def _of_rivals(subject: Subject) -> str:
    """Return where the classifiers beside the model come from."""
    if subject.rivals_given:
        return "The classifiers beside it were given, fitted, with the model."
    if not subject.rivals:
        return "Nothing is set beside it: too few rows, or rows for this model only."
    return (
        "The classifiers beside it were trained on the rows of this report, in folds: "
        "each row is scored by one that has not seen it. They have had fewer rows than "
        "the model if it was trained on more than these."
    )


def curves(subject: Subject) -> str:
    """Return ROC and precision-recall curves.

    Parameters
    ----------
    subject : Subject
        The model, the rows and the scores.

    Returns
    -------
    str
        HTML; nothing for a model without scores.
    """
    if subject.scores is None:
        return ""
    positive = subject.labels[1]
    return section(
        "Ranking",
        row_of(
            figure(
                drawn(partial(_draw_roc, subject), "ROC curve"),
                f"ROC curve: which share of {positive} is found, by which share of the "
                "other class is taken for it. Dashed: by chance.",
            ),
            figure(
                drawn(partial(_draw_precision, subject), "Precision and recall"),
                f"Precision by recall: which share of the rows taken for {positive} "
                "are it. Dashed: its share of all rows.",
            ),
        ),
    )


def _draw_roc(subject: Subject, ax: Any) -> None:
    """Draw the ROC curves."""
    for name, scores in _compared(subject):
        RocCurveDisplay.from_predictions(subject.is_positive, scores, ax=ax, name=name)
    ax.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=1)
    ax.set(xlabel="False positive rate", ylabel="True positive rate")
    ax.legend(loc="lower right", **LEGEND)


def _draw_precision(subject: Subject, ax: Any) -> None:
    """Draw the precision-recall curves."""
    truth = subject.is_positive
    for name, scores in _compared(subject):
        PrecisionRecallDisplay.from_predictions(truth, scores, ax=ax, name=name)
    ax.axhline(truth.mean(), color="0.5", linestyle="--", linewidth=1)
    ax.set(xlabel="Recall", ylabel="Precision", ylim=(-0.02, 1.05))
    ax.legend(loc="lower left", **LEGEND)


def _compared(subject: Subject) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield names and scores of the model and of those that rank at all."""
    assert subject.scores is not None
    yield OURS, subject.scores
    for name, shares in subject.rivals.items():
        if name != PRIOR:
            yield label_of(name), shares


def calibration(subject: Subject) -> str:
    """Return whether probabilities are what they say.

    Parameters
    ----------
    subject : Subject
        The model, the rows and the scores.

    Returns
    -------
    str
        HTML; nothing for a model without probabilities.
    """
    shares = subject.probabilities
    if shares is None:
        return ""
    positive = subject.labels[1]
    n_points = int(np.clip(len(shares) // ROWS_PER_POINT, 2, MOST_POINTS))
    return section(
        "Calibration",
        row_of(
            figure(
                drawn(partial(_draw_calibration, subject, n_points), "Calibration"),
                f"In how many of the rows with about the same probability the class is "
                f"{positive}; {n_points} groups of about as many rows each.",
            ),
            figure(
                drawn(partial(_draw_histogram, subject, shares), "Probabilities"),
                "How often the model gives which probability, by the true class.",
            ),
        ),
    )


def _draw_calibration(subject: Subject, n_points: int, ax: Any) -> None:
    """Draw the calibration curves."""
    for name, scores in _compared(subject):
        CalibrationDisplay.from_predictions(
            subject.is_positive,
            scores,
            n_bins=n_points,
            strategy="quantile",
            ax=ax,
            name=name,
        )
    ax.set(xlabel="Mean probability", ylabel="Share of positive rows")
    ax.lines[0].set_label("as it should be")
    ax.legend(loc="upper left", **LEGEND)


def _draw_histogram(subject: Subject, shares: NDArray[np.float64], ax: Any) -> None:
    """Draw how often the model gives which probability."""
    truth = subject.is_positive
    edges = np.linspace(0, 1, N_BARS + 1)
    for flags, label in zip((~truth, truth), subject.labels, strict=True):
        ax.hist(shares[flags], bins=edges, alpha=0.6, label=label_of(label))
    ax.set(xlabel=f"Probability of {label_of(subject.labels[1])}", ylabel="Rows")
    ax.legend(**LEGEND)


def decisions(subject: Subject) -> str:
    """Return what the model's labels, and those of a better threshold, get right.

    Parameters
    ----------
    subject : Subject
        The model, the rows and the scores.

    Returns
    -------
    str
        HTML.
    """
    truth = subject.is_positive
    parts = [_confusion(subject, subject.predicted, _own_threshold(subject))]
    if subject.scores is None:
        return section("Decisions", *parts)
    threshold = tuned_threshold(truth, subject.scores)
    what = "probability" if subject.has_probabilities else "score"
    title = f"With {subject.labels[1]} from a {what} of {threshold:.4g} on"
    parts.append(_confusion(subject, subject.scores >= threshold, title))
    note = (
        f"The {what} of {threshold:.4g} is the one of the highest balanced accuracy on "
        "the very rows of this report, found by a scan of their scores: what it gains "
        "here is more than on other rows. TunedThresholdClassifierCV finds a threshold "
        "by cross-validation of training rows."
    )
    return section("Decisions", row_of(*parts), paragraph(note, kind="note"))


def _own_threshold(subject: Subject) -> str:
    """Return by which threshold the model itself decides, if that is known."""
    own = decision_threshold(subject.model)
    if own is not None:
        return f"As the model decides, by its tuned threshold of {own:.4g}"
    return "As the model decides"


def _confusion(subject: Subject, predicted: NDArray[np.bool_], title: str) -> str:
    """Return the counts of a way to decide, and the shares that follow."""
    counts = counts_of(subject.is_positive, predicted)
    negative, positive = subject.labels
    titles = ["Rows of", f"taken for {negative}", f"taken for {positive}"]
    cells = [
        [negative, f"{counts.rejections:,}", f"{counts.false_alarms:,}"],
        [positive, f"{counts.misses:,}", f"{counts.hits:,}"],
    ]
    counted = table(titles, cells, caption=title)
    return f"<div>\n{counted}\n{_shares(counts)}\n</div>"


def _shares(counts: Counts) -> str:
    """Return the shares of right decisions as a sentence."""
    shares = [f"{name} {value:.4f}" for name, value in counts.shares.items()]
    return paragraph(", ".join(shares).capitalize(), kind="note")
