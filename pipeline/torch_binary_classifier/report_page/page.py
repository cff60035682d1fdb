"""The report: which parts it has, and in which order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch_binary_classifier.persistence import check_writable, replaced_file
from torch_binary_classifier.pictures.drawing import check_matplotlib
from torch_binary_classifier.report_page import parts, scores
from torch_binary_classifier.report_page.markup import document, escaped, paragraph
from torch_binary_classifier.report_page.subject import Subject, subject_of

__all__ = ["report"]

PARTS = (
    scores.summary,
    parts.findings,
    scores.curves,
    scores.calibration,
    scores.decisions,
    parts.importance,
    parts.data,
    parts.inputs,
    parts.training,
    parts.search,
    parts.saved,
)


def report(
    model: Any,
    X: Any,
    y: Any,
    path: str | os.PathLike[str],
    *,
    rivals: Mapping[str, Any] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> None:
    """Write how a model does on rows that it has not seen, as one HTML page.

    The page has scores beside those of simpler classifiers, ROC, precision-recall and
    calibration curves, decisions by two thresholds, the importance and the scale of the
    columns, the losses of the training, and what the file of a saved model says. Parts
    that a model has nothing for are left out.

    Parameters
    ----------
    model : classifier
        Any fitted classifier of scikit-learn for two classes.
    X : frame, array or sparse matrix of shape (n_rows, n_columns)
        Rows that the model has not been trained on, nor chosen by. On others the page
        promises too much.
    y : array-like of shape (n_rows,)
        Their labels, both classes among them.
    path : str or path
        The page to write. It needs nothing beside itself, neither files nor a network.
    rivals : mapping of str to classifier, default=None
        Fitted classifiers to compare with, by their names. None for a logistic
        regression behind the model's own preparation and the frequencies of the
        classes alone, each trained on the rows of the report in five folds.
    manifest : mapping of str to object, default=None
        What the file of the saved model says; None for what a loaded model carries.

    Raises
    ------
    ValueError
        If the model is no fitted classifier of two classes, or y has other labels, only
        one of them, or not one for each row.
    ImportError
        If matplotlib is not installed.
    OutputError
        If the page cannot be written; its folder is looked at before any work.

    See Also
    --------
    card : What is known of a model, as Markdown, without any rows.

    Notes
    -----
    The page is the same, byte for byte, for the same model, rows and versions. The
    importance of columns is measured on 1,000 rows, and not for tables of more than
    2,000 columns, nor for those of polars and pyarrow or sparse ones.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_classification(random_state=0)
    >>> path = Path(tempfile.mkdtemp(), "report.html")
    >>> report(LogisticRegression().fit(X[:60], y[:60]), X[60:], y[60:], path)
    >>> path.read_text().splitlines()[0]
    '<!DOCTYPE html>'
    """
    check_matplotlib("report")
    check_writable(path)
    subject = subject_of(model, X, y, rivals)
    if manifest is not None:
        subject = replace(subject, manifest=manifest)
    page = _page(subject).encode()
    with replaced_file(path, n_bytes=len(page)) as file:
        file.write(page)


def _page(subject: Subject) -> str:
    """Return the page."""
    title = f"Report on {_article(subject.name)} {subject.name}"
    negative, positive = subject.labels
    told = (
        f"How it tells {positive} from {negative} on {len(subject.y):,} rows. This "
        "holds only if these rows had no part in its training nor in any choice of it: "
        "on rows that it has seen, a model looks better than it is."
    )
    head = [f"<h1>{escaped(title)}</h1>", paragraph(told)]
    if (subject.manifest.get("evaluation") or {}).get("refitted_on_all_rows"):
        anew = (
            "The saved model was fitted anew on all rows, these included, after it was "
            "measured: all on this page is about the one before."
        )
        head.append(paragraph(anew, kind="warning"))
    return document(title, [*head, *(part(subject) for part in PARTS)])


def _article(name: str) -> str:
    """Return the article in front of a name."""
    return "an" if name[:1] in "AEIO" else "a"
