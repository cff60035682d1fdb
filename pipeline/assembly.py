"""From a table's columns to a Pipeline; knows scikit-learn's parts, but no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.classifier import TorchBinaryClassifier

__all__ = ["MAX_CATEGORIES", "baselines", "default_grid", "tabular_pipeline"]

# One-hot columns that one column of text may become, the shared one included.
MAX_CATEGORIES = 64
# Texts that fewer training rows have share one column.
MIN_ROWS_PER_CATEGORY = 2


def tabular_pipeline(
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    classifier: Any = None,
) -> Pipeline:
    """Return an unfitted Pipeline for a table of numbers and texts.

    Parameters
    ----------
    numeric : sequence of str
        Columns of numbers. Missing values become the median, then each column is
        brought to mean 0 and variance 1.
    categorical : sequence of str
        Columns of texts, which become one-hot columns. A missing cell is a category
        of its own. A category that fewer than 5 rows have, or that is not among the
        63 most frequent, shares one column with the others of that kind; a category
        first met in scoring counts as one of them.
    classifier : estimator, default=None
        The last step; None for a `TorchBinaryClassifier` that stops early.

    Returns
    -------
    Pipeline
        The steps ``columns`` and ``clf``. Columns that are named in neither list
        are dropped.

    Raises
    ------
    ValueError
        If no column is named, or one is named twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> table = pd.DataFrame({"age": [20, 30, None, 60], "city": ["Oslo", None] * 2})
    >>> pipe = tabular_pipeline(
    ...     numeric=["age"], categorical=["city"], classifier=LogisticRegression()
    ... )
    >>> pipe.fit(table, [0, 0, 1, 1]).predict(table)
    array([0, 0, 1, 1])
    """
    names = [*numeric, *categorical]
    if not names:
        msg = "numeric and categorical must name at least one column, got none."
        raise ValueError(msg)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        msg = f"numeric and categorical must name a column once, got {repeated} twice."
        raise ValueError(msg)
    columns = ColumnTransformer(
        [
            ("numeric", _numeric_steps(), list(numeric)),
            ("categorical", _categorical_steps(), list(categorical)),
        ]
    )
    if classifier is None:
        classifier = TorchBinaryClassifier(early_stopping=True)
    return Pipeline([("columns", columns), ("clf", classifier)])


def baselines(
    *, numeric: Sequence[str], categorical: Sequence[str]
) -> dict[str, Pipeline]:
    """Return what a network has to beat, with the same preparation of the columns.

    Parameters
    ----------
    numeric, categorical : sequence of str
        As in `tabular_pipeline`.

    Returns
    -------
    dict of str to Pipeline
        A logistic regression, and the frequencies of the classes alone.

    Examples
    --------
    >>> list(baselines(numeric=["age"], categorical=[]))
    ['logistic regression', 'prior only']
    """
    classifiers = {
        "logistic regression": LogisticRegression(max_iter=1000),
        "prior only": DummyClassifier(strategy="prior"),
    }
    return {
        name: tabular_pipeline(
            numeric=numeric, categorical=categorical, classifier=classifier
        )
        for name, classifier in classifiers.items()
    }


def default_grid() -> dict[str, list[Any]]:
    """Return the parameters that `train --grid` tries, for a step named ``clf``.

    Returns
    -------
    dict of str to list
        Two values each for width, step size and penalty, hence 8 candidates.

    Examples
    --------
    >>> sorted(default_grid())
    ['clf__alpha', 'clf__hidden_layer_sizes', 'clf__learning_rate_init']
    """
    return {
        "clf__hidden_layer_sizes": [(32,), (128, 64)],
        "clf__learning_rate_init": [0.001, 0.01],
        "clf__alpha": [1e-4, 1e-2],
    }


def _numeric_steps() -> Pipeline:
    """Return the preparation of numbers."""
    return Pipeline(
        [
            # Without the flag a column that is empty in one fold would be dropped.
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
        ]
    )


def _categorical_steps() -> Pipeline:
    """Return the preparation of texts."""
    return Pipeline(
        [
            # pandas marks a missing text by NaN; polars and pyarrow mark it by None.
            ("missing_nan", _missing_as_category(np.nan)),
            ("missing_none", _missing_as_category(None)),
            (
                "one_hot",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist",
                    min_frequency=MIN_ROWS_PER_CATEGORY,
                    max_categories=MAX_CATEGORIES,
                ),
            ),
        ]
    )


def _missing_as_category(marker: object) -> SimpleImputer:
    """Return what makes missing texts a category of their own."""
    return SimpleImputer(
        missing_values=marker,
        strategy="constant",
        fill_value="(missing)",
        keep_empty_features=True,
    )
