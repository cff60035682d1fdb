"""Fitted steps of a pipeline as ONNX operators, from columns to columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from torch_binary_classifier.onnx_graph.categories import add_one_hot, add_texts
from torch_binary_classifier.onnx_graph.inputs import (
    Column,
    Translation,
    columns_of,
    refuse_step,
)
from torch_binary_classifier.onnx_graph.numbers import (
    add_imputer,
    add_min_max_scaler,
    add_robust_scaler,
    add_standard_scaler,
    add_times,
)
from torch_binary_classifier.preparation import CategoriesAsTexts, TimesAsNumbers

Columns = Sequence[Column]


def add_step(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a fitted transformer.

    Parameters
    ----------
    translation : Translation
    step : transformer, "passthrough", "drop" or None
    columns : sequence of Column
        What it is given.
    name : str
        What errors call it.

    Returns
    -------
    list of Column
        What it returns.

    Raises
    ------
    ValueError
        If the step, or what it does with these columns, cannot be exported.
    """
    if step is None or isinstance(step, str):
        return [] if step == "drop" else list(columns)
    # Not isinstance: a subclass may do something else.
    add = STEPS.get(type(step))
    if add is None:
        known = ", ".join(sorted(kind.__name__ for kind in STEPS))
        rule = f"be one that the export knows ({known})"
        advice = "Apply it to the table before the pipeline."
        raise refuse_step(name, rule, type(step).__name__, advice)
    if not isinstance(step, Pipeline | FunctionTransformer):
        check_is_fitted(step)
    return add(translation, step, columns, name)


def add_steps(
    translation: Translation, steps: Any, columns: Columns, name: str
) -> list[Column]:
    """Add named steps, one behind the other."""
    found = list(columns)
    for own_name, step in steps:
        found = add_step(translation, step, found, _inside(name, own_name))
    return found


def _inside(outer: str, inner: str) -> str:
    """Return the name of a step within another, as ``set_params`` would take it."""
    return f"{outer}__{inner}" if outer else inner


def _add_pipeline(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a Pipeline of transformers."""
    return add_steps(translation, step.steps, columns, name)


def _add_column_transformer(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a ColumnTransformer."""
    found: list[Column] = []
    for own_name, transformer, selected in step.transformers_:
        own = [columns[place] for place in _places(step, selected)]
        if not own:
            continue
        inner = _inside(name, own_name)
        block = add_step(translation, transformer, own, inner)
        weight = (step.transformer_weights or {}).get(own_name)
        if weight is not None and block:
            numbers = translation.numbers(block, inner)
            weighted = translation.graph.add("Mul", numbers, float(weight))
            block = columns_of(weighted, len(block))
        found += block
    return found


def _places(step: Any, selected: Any) -> list[int]:
    """Return the places of columns, however a ColumnTransformer selects them."""
    names = list(getattr(step, "feature_names_in_", ()))
    if isinstance(selected, str | int | np.integer):
        selected = [selected]
    if isinstance(selected, slice):
        start, stop = selected.start, selected.stop
        if isinstance(start, str):
            start = names.index(start)
        if isinstance(stop, str):
            stop = names.index(stop) + 1  # names are a slice's first and last column
        return list(range(step.n_features_in_)[slice(start, stop, selected.step)])
    chosen = list(selected)
    if chosen and all(isinstance(one, bool | np.bool_) for one in chosen):
        return np.flatnonzero(chosen).tolist()
    places = range(step.n_features_in_)
    return [names.index(one) if isinstance(one, str) else places[one] for one in chosen]


def _add_function(
    _: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a FunctionTransformer that changes nothing."""
    if step.func is not None:
        advice = "Apply it to the table before the pipeline."
        raise refuse_step(name, "have no function of Python", "one", advice)
    return list(columns)


STEPS: dict[type, Callable[[Translation, Any, Columns, str], list[Column]]] = {
    CategoriesAsTexts: add_texts,
    ColumnTransformer: _add_column_transformer,
    FunctionTransformer: _add_function,
    MinMaxScaler: add_min_max_scaler,
    OneHotEncoder: add_one_hot,
    Pipeline: _add_pipeline,
    RobustScaler: add_robust_scaler,
    SimpleImputer: add_imputer,
    StandardScaler: add_standard_scaler,
    TimesAsNumbers: add_times,
}
