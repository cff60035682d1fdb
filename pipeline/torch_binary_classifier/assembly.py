"""From columns to a Pipeline; knows scikit-learn, but no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from torch_binary_classifier.classifier import TorchBinaryClassifier
from torch_binary_classifier.preparation import CategoriesAsTexts, TimesAsNumbers

__all__ = [
    "MAX_CATEGORIES",
    "N_FOLDS",
    "baselines",
    "fold_loss",
    "tabular_pipeline",
]

# One-hot columns that one column of text may become, the shared one included.
MAX_CATEGORIES = 64
# Texts that only one training row has share one column.
MIN_ROWS_PER_CATEGORY = 2
# Folds of a search.
N_FOLDS = 5


def tabular_pipeline(
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    times: Sequence[str] | Mapping[str, str] = (),
    classifier: Any = None,
) -> Pipeline:
    """Return an unfitted Pipeline for a table of numbers, categories and times.

    Parameters
    ----------
    numeric : sequence of str
        Columns of numbers. Missing values become the median, then each column is
        brought to mean 0 and variance 1, however small its spread is beside its mean.
    categorical : sequence of str
        Columns of texts, codes or truth values, which become one-hot columns. A
        missing cell is a category of its own. A category that one row alone has, or
        that is not among the 63 most frequent, shares one column with the others of
        that kind; a category first met in scoring counts as one of them.
    times : sequence of str or mapping of str to str, default=()
        Columns of dates or durations, as texts or by type. They become days since
        1970-01-01 or seconds, and then are prepared like numbers. A mapping says how
        texts are to be read, as `formats` of `TimesAsNumbers` does: needed only where
        a day cannot be told from a month.
    classifier : estimator, default=None
        The last step; None for ``TorchBinaryClassifier()``.

    Returns
    -------
    Pipeline
        The steps ``columns`` and ``clf``. Columns that are not named are dropped.

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
    >>> pipe.fit(table, ["no", "no", "yes", "yes"]).predict_proba(table).shape
    (4, 2)
    """
    _check_names([*numeric, *categorical, *times])
    blocks = {
        "numeric": (_numeric_steps(), list(numeric)),
        "categorical": (_categorical_steps(), list(categorical)),
        "times": (_time_steps(times), list(times)),
    }
    columns = ColumnTransformer(
        [(kind, Pipeline(steps), names) for kind, (steps, names) in blocks.items()]
    )
    if classifier is None:
        classifier = TorchBinaryClassifier()
    return Pipeline([("columns", columns), ("clf", classifier)])


def baselines(
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    times: Sequence[str] | Mapping[str, str] = (),
) -> dict[str, Pipeline]:
    """Return what a network has to beat, with the same preparation of the columns.

    Parameters
    ----------
    numeric, categorical, times : sequence of str
        As in `tabular_pipeline`.

    Returns
    -------
    dict of str to Pipeline
        Boosted trees, a logistic regression, and the frequencies of the classes alone.

    Examples
    --------
    >>> list(baselines(numeric=["age"], categorical=[]))
    ['boosted trees', 'logistic regression', 'prior only']
    """
    classifiers = {
        "boosted trees": HistGradientBoostingClassifier(random_state=0),
        "logistic regression": LogisticRegression(max_iter=1000),
        "prior only": DummyClassifier(strategy="prior"),
    }
    return {
        name: tabular_pipeline(
            numeric=numeric,
            categorical=categorical,
            times=times,
            classifier=classifier,
        ).set_params(columns__sparse_threshold=0)  # trees take no sparse rows
        for name, classifier in classifiers.items()
    }


def fold_loss(estimator: Any, X: Any, y: Any) -> float:
    """Return the mean log-loss over the folds of a search.

    Parameters
    ----------
    estimator : estimator
        What to measure; it is not fitted itself.
    X : frame or array-like of shape (n_rows, n_columns)
        Rows.
    y : array-like of shape (n_rows,)
        Their labels.

    Returns
    -------
    float
        In nats: what `measured` would find for it.

    Examples
    --------
    >>> X, y = [[0.0], [1.0]] * 5, ["no", "yes"] * 5
    >>> round(fold_loss(DummyClassifier(strategy="prior"), X, y), 4)
    0.6931
    """
    scores = cross_val_score(estimator, X, y, cv=N_FOLDS, scoring="neg_log_loss")
    return -float(scores.mean())


def _check_names(names: Sequence[str]) -> None:
    """Refuse no column at all, and one of two kinds."""
    if not names:
        msg = "numeric, categorical and times must name at least one column, got none."
        raise ValueError(msg)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        msg = (
            "numeric, categorical and times must name a column once, "
            f"got {repeated} twice."
        )
        raise ValueError(msg)


def _numeric_steps() -> list[tuple[str, Any]]:
    """Return the preparation of numbers."""
    return [
        # Without the flag a column that is empty in one fold would be dropped.
        ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
        # StandardScaler takes a column for constant, and does not divide it, if its
        # deviation is below the rounding error of its sum of squares: around the
        # median it never is.
        ("center", RobustScaler(with_scaling=False)),
        ("scale", StandardScaler()),
    ]


def _categorical_steps() -> list[tuple[str, Any]]:
    """Return the preparation of categories."""
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=MIN_ROWS_PER_CATEGORY,
        max_categories=MAX_CATEGORIES,
    )
    return [("texts", CategoriesAsTexts()), ("one_hot", one_hot)]


def _time_steps(times: Sequence[str] | Mapping[str, str]) -> list[tuple[str, Any]]:
    """Return the preparation of dates and durations."""
    formats = tuple(times.values()) if isinstance(times, Mapping) else None
    return [("numbers", TimesAsNumbers(formats)), *_numeric_steps()]
