"""What a fitted classifier knows of its input columns; knows scikit-learn, no files.

The columns are followed through the fitted steps for as long as their values stay what
they are, and each step says what it knows of each one: an encoder its categories, an
imputer its statistic, most others only that they take numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from sklearn.utils import get_tags

from torch_binary_classifier.exceptions import ModelFileError
from torch_binary_classifier.preparation import MISSING
from torch_binary_classifier.schemas import carried_schema
from torch_binary_classifier.scoring.classes import (
    KNOWN_PACKAGES,
    is_kind_of,
    package_of,
)
from torch_binary_classifier.scoring.columns import InputColumn, InputColumns, Scale
from torch_binary_classifier.scoring.training_types import with_schema
from torch_binary_classifier.scoring.vocabulary import Kind, Vocabulary
from torch_binary_classifier.tables.missing import is_gap

__all__ = ["input_columns"]

# Where the estimators of scikit-learn keep the fitted estimators that they wrap.
# `estimator` comes last: in a fitted search it is the unfitted template.
WRAPPED = (
    "best_estimator_",
    "calibrated_classifiers_",
    "estimators_",
    "estimator_",
    "estimator",
)


def input_columns(estimator: Any) -> InputColumns:
    """Return which columns a fitted classifier expects, and what it knows of each.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier.

    Returns
    -------
    InputColumns
        Names, kinds and known categories.

    Raises
    ------
    ModelFileError
        If the estimator has no ``predict_proba`` or no two ``classes_``, or tells
        neither names nor number of its columns.

    Notes
    -----
    Columns without names are called x0, x1 and so on.

    A column has the kind of the categories that an encoder knows of it, or of the
    text that an imputer or a vectoriser knows. It holds numbers if every step that
    looks at it is one of scikit-learn that takes numbers alone. Functions and
    steps of other packages tell nothing; nor is anything known of what they return.
    A model that carries the schema of its training table need not be asked: the
    schema says what each column is, the steps which categories they know.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> table = pd.DataFrame({"city": ["Oslo", "Rome"], "pets": [1, 2]})
    >>> model = make_pipeline(OneHotEncoder(), LogisticRegression())
    >>> [column.kind for column in input_columns(model.fit(table, [0, 1])).columns]
    ['text', 'number']
    """
    described = type(estimator).__name__
    n_classes = len(getattr(estimator, "classes_", ()))
    if not hasattr(estimator, "predict_proba") or n_classes != 2:
        msg = (
            "model must be a fitted binary classifier with predict_proba, "
            f"got {described} with {n_classes} classes."
        )
        raise ModelFileError(msg)
    ledger = [_Entry(name) for name in _names(estimator)]
    _follow(estimator, [_Flow(entry) for entry in ledger])
    columns = InputColumns(tuple(entry.column() for entry in ledger))
    schema = carried_schema(estimator)
    return columns if schema is None else with_schema(columns, schema)


def _names(estimator: Any) -> Sequence[str]:
    """Return the columns of the training table, by their places if without names."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names]
    n_columns = getattr(estimator, "n_features_in_", None)
    if n_columns is None:
        msg = (
            "model must tell which columns it takes, got "
            f"{type(estimator).__name__} without feature_names_in_ and n_features_in_. "
            "Train it on a DataFrame."
        )
        raise ModelFileError(msg)
    return [f"x{place}" for place in range(n_columns)]


# What a step takes: a kind of cells, or whatever there is.
_Taken = Literal["text", "time", "number", "anything"]


@dataclass
class _Entry:
    """What the steps have said of one input column so far."""

    name: str
    takers: set[_Taken] = field(default_factory=set)
    categories: list[Any] = field(default_factory=list)
    fills: list[object] = field(default_factory=list)
    gaps: list[object] = field(default_factory=list)
    had_gaps: set[bool | None] = field(default_factory=set)
    is_opaque: bool = False
    time_format: str | None = None
    scale: Scale | None = None

    def column(self) -> InputColumn:
        """Return what follows from all that was said."""
        kind: Kind | Literal["file", "dropped"] = "dropped"
        vocabulary = None
        if self.categories:
            vocabulary = Vocabulary(self.categories, self.fills)
            kind = vocabulary.kind
        elif self.takers:
            told: tuple[Kind, ...] = ("text", "time", "number")
            kind = next((taken for taken in told if taken in self.takers), "file")
        return InputColumn(
            self.name,
            kind,
            vocabulary,
            needs_numbers="number" in self.takers and kind in ("number", "truth value"),
            gap=self._gap(),
            had_gaps=next((v for v in (True, False) if v in self.had_gaps), None),
            is_imputed=bool(self.gaps),
            is_opaque=self.is_opaque,
            time_format=self.time_format,
            scale=self.scale,
        )

    def _gap(self) -> object:
        """Return the encoders' category of missing cells, or what imputers look for."""
        known = [c for categories in self.categories for c in categories if is_gap(c)]
        if any(c is None for c in known):
            return None
        kinds = {categories.dtype.kind for categories in self.categories}
        nothing = np.datetime64("NaT") if kinds == {"M"} else np.nan
        return next(iter([*known, *self.gaps]), nothing)


@dataclass(frozen=True)
class _Flow:
    """An input column on its way through the steps, its values as in the table."""

    entry: _Entry
    # What imputers on the way put in the place of gaps; a statistic is not unique.
    fills: tuple[object, ...] = ()
    has_statistic: bool = False


# A column that a step has made is followed no further.
_Flows = Sequence[_Flow | None]


def _follow(step: Any, flows: _Flows) -> _Flows | None:
    """Enter what a fitted step knows; return its output columns if that is known."""
    if not any(flows) or step is None or isinstance(step, str):
        return [] if step == "drop" else flows
    if is_kind_of(step, "FrozenEstimator"):
        return _follow(step.estimator, flows)
    if getattr(step, "n_features_in_", len(flows)) != len(flows):
        return _enter_taker(flows, "anything")
    for kinds, follow in _FOLLOWERS:
        if is_kind_of(step, *kinds):
            return follow(step, flows)
    _enter_package(step, flows)
    wrapped = [*_wrapped(step)]
    for inner, positions in wrapped:
        _follow(
            inner, [flows[i] for i in positions] if positions is not None else flows
        )
    return None if wrapped else _enter_taker(flows, _taken(step))


def _enter_taker(flows: _Flows, taken: _Taken) -> _Flows | None:
    """Enter what a step takes that tells no more about its columns."""
    for flow in flows:
        if flow is not None:
            flow.entry.takers.add(taken)
            flow.entry.is_opaque |= taken == "anything"
    return None


def _enter_package(step: Any, flows: _Flows) -> None:
    """Enter that a step of another package may look at more than values."""
    for flow in flows:
        if flow is not None and not _is_known(step):
            flow.entry.is_opaque = True


def _is_known(step: Any) -> bool:
    """Return whether a step is of a package whose steps look at values alone."""
    return package_of(type(step)) in KNOWN_PACKAGES


def _taken(step: Any) -> _Taken:
    """Return whether a step takes numbers alone, as far as that is known."""
    if not _is_known(step) or get_tags(step).no_validation:
        return "anything"
    input_tags = get_tags(step).input_tags
    return "anything" if input_tags.string or not input_tags.two_d_array else "number"


def _wrapped(step: Any) -> Iterator[tuple[Any, Sequence[int] | None]]:
    """Yield the fitted estimators inside one, and which of its columns they take."""
    held = (getattr(step, attribute, None) for attribute in WRAPPED)
    found = next((inner for inner in held if inner is not None), None)
    # The last estimator of a stack that passes the columns on takes numbers.
    if found is None or getattr(step, "passthrough", False):
        return
    if isinstance(found, np.ndarray):
        found = found.ravel().tolist()
    inner = found if isinstance(found, list) else [found]
    chosen = getattr(step, "estimators_features_", [None] * len(inner))
    yield from zip(inner, chosen, strict=True)


def _follow_pipeline(step: Any, flows: _Flows) -> _Flows | None:
    """Follow the columns from step to step."""
    outputs: _Flows | None = flows
    for _, inner in step.steps:
        # Steps that only choose rows to train on have no part in scoring.
        if outputs is not None and not hasattr(inner, "fit_resample"):
            outputs = _follow(inner, outputs)
    return outputs


def _follow_columns(step: Any, flows: _Flows) -> _Flows | None:
    """Follow the blocks of a ColumnTransformer."""
    n_outputs = max(block.stop for block in step.output_indices_.values())
    outputs: list[_Flow | None] = [None] * n_outputs
    for name, transformer, columns in step.transformers_:
        positions = _positions(step, columns)
        found = _follow(transformer, [flows[i] for i in positions])
        block = step.output_indices_[name]
        if found is not None and len(found) == block.stop - block.start:
            outputs[block] = found
    return outputs


def _positions(step: Any, columns: Any) -> Sequence[int]:
    """Return the positions of a ColumnTransformer's block, however it selects them."""
    places = {name: i for i, name in enumerate(getattr(step, "feature_names_in_", ()))}
    if isinstance(columns, str | int):
        columns = [columns]
    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        if isinstance(start, str):
            start = places[start]
        if isinstance(stop, str):
            stop = places[stop] + 1  # Labels are a slice's first and last column.
        return range(step.n_features_in_)[slice(start, stop, columns.step)]
    chosen = np.asarray(
        [places.get(column, column) for column in columns], dtype=object
    )
    is_mask = all(isinstance(c, bool | np.bool_) for c in chosen)
    positions = np.arange(step.n_features_in_)
    return [*positions[chosen.astype(bool if is_mask else int)]]


def _follow_union(step: Any, flows: _Flows) -> _Flows | None:
    """Follow the columns into each branch of a FeatureUnion."""
    outputs = [_follow(inner, flows) for _, inner in step.transformer_list]
    known = [output for output in outputs if output is not None]
    return [flow for output in known for flow in output] if known == outputs else None


def _follow_function(step: Any, flows: _Flows) -> _Flows | None:
    """Follow the columns through a FunctionTransformer that does nothing."""
    if step.func is None and not step.validate:
        return flows
    return _enter_taker(flows, _taken(step))


def _follow_vectoriser(step: Any, flows: _Flows) -> _Flows | None:
    """Enter a column of text."""
    takes_text = step.input == "content" and not callable(step.analyzer)
    return _enter_taker(flows, "text" if takes_text else "anything")


def _follow_texts(_: Any, flows: _Flows) -> _Flows | None:
    """Follow columns whose categories are written as texts, gaps included."""
    for flow in flows:
        if flow is not None:
            flow.entry.gaps.append(np.nan)
    return [flow and replace(flow, fills=(*flow.fills, MISSING)) for flow in flows]


def _follow_times(step: Any, flows: _Flows) -> _Flows | None:
    """Enter columns of times, which are read as they are written."""
    for flow, time_format in zip(flows, step.time_formats_, strict=True):
        if flow is not None:
            flow.entry.time_format = time_format
    return _enter_taker(flows, "time")


def _follow_encoder(step: Any, flows: _Flows) -> _Flows | None:
    """Enter the categories of each column, and whether gaps are among them."""
    for flow, categories in zip(flows, step.categories_, strict=True):
        if flow is None:
            continue
        has_gaps = any(is_gap(c) or c in flow.fills for c in categories)
        flow.entry.categories.append(categories)
        flow.entry.fills.extend(flow.fills)
        flow.entry.had_gaps.add(has_gaps or (None if flow.has_statistic else False))
    return None


def _follow_scaler(step: Any, flows: _Flows) -> _Flows | None:
    """Enter how the numbers of each column were spread, where none is filled in."""
    if step.mean_ is not None and step.var_ is not None:
        for flow, mean, variance in zip(flows, step.mean_, step.var_, strict=True):
            if flow is not None and not flow.fills and not flow.has_statistic:
                flow.entry.scale = Scale(float(mean), float(np.sqrt(variance)))
    return _enter_taker(flows, "number")


def _follow_boosting(step: Any, flows: _Flows) -> _Flows | None:
    """Enter the categories that gradient boosting encodes by itself."""
    preprocessor = getattr(step, "_preprocessor", None)
    encoded: Sequence[int] = ()
    if preprocessor is not None:
        _, encoder, columns = preprocessor.transformers_[0]
        encoded = _positions(preprocessor, columns)
        _follow(encoder, [flows[i] for i in encoded])
    return _enter_taker([f for i, f in enumerate(flows) if i not in encoded], "number")


def _follow_imputer(step: Any, flows: _Flows) -> _Flows | None:
    """Enter each column's statistic, and follow the columns that are kept."""
    outputs: list[_Flow | None] = []
    keeps_empty = step.strategy == "constant" or step.keep_empty_features
    for i, (flow, statistic) in enumerate(zip(flows, step.statistics_, strict=True)):
        if flow is not None:
            flow.entry.takers.add(_statistic_kind(step, statistic))
            flow = _filled(step, i, flow)
        # NaN tells an empty column; None may be the mode where only NaN is filled.
        if keeps_empty or statistic is None or not is_gap(statistic):
            outputs.append(flow)
    if step.add_indicator:
        outputs += [None] * len(step.indicator_.features_)
    return outputs


def _statistic_kind(step: Any, statistic: object) -> _Taken:
    """Return what cells an imputer takes in a column."""
    if isinstance(statistic, str):
        return "text"
    return "anything" if step.statistics_.dtype == object else "number"


def _filled(step: Any, position: int, flow: _Flow) -> _Flow:
    """Return a column behind an imputer, and enter what that says about gaps."""
    if not is_gap(step.missing_values):
        return flow
    flow.entry.gaps.append(step.missing_values)
    if step.add_indicator and not flow.fills and not flow.has_statistic:
        flow.entry.had_gaps.add(position in step.indicator_.features_)
    if step.strategy == "constant":
        return replace(flow, fills=(*flow.fills, step.statistics_[position]))
    return replace(flow, has_statistic=True)


_FOLLOWERS = (
    (("Pipeline",), _follow_pipeline),
    (("ColumnTransformer",), _follow_columns),
    (("FeatureUnion",), _follow_union),
    (("FunctionTransformer",), _follow_function),
    (("CountVectorizer", "HashingVectorizer"), _follow_vectoriser),
    (("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"), _follow_encoder),
    (("SimpleImputer",), _follow_imputer),
    (("CategoriesAsTexts",), _follow_texts),
    (("TimesAsNumbers",), _follow_times),
    (("StandardScaler",), _follow_scaler),
    (("HistGradientBoostingClassifier",), _follow_boosting),
)
