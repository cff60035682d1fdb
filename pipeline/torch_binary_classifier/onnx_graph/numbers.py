"""Scalers and imputers as ONNX operators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from torch_binary_classifier.onnx_graph.graph import ML_DOMAIN
from torch_binary_classifier.onnx_graph.inputs import (
    DAYS,
    DOUBLE,
    SECONDS,
    TEXT,
    Column,
    Translation,
    columns_of,
    refuse_step,
)
from torch_binary_classifier.preparation import MISSING
from torch_binary_classifier.tables.missing import is_gap
from torch_binary_classifier.wording import shown

Columns = Sequence[Column]


def add_standard_scaler(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a StandardScaler."""
    mean = step.mean_ if step.with_mean else None
    return _scaled(translation, columns, name, ("Sub", mean), ("Div", step.scale_))


def add_robust_scaler(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a RobustScaler."""
    center = step.center_ if step.with_centering else None
    scale = step.scale_ if step.with_scaling else None
    return _scaled(translation, columns, name, ("Sub", center), ("Div", scale))


def add_min_max_scaler(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a MinMaxScaler."""
    lowest, highest = step.feature_range if step.clip else (None, None)
    return _scaled(
        translation,
        columns,
        name,
        ("Mul", step.scale_),
        ("Add", step.min_),
        ("Max", lowest),
        ("Min", highest),
    )


def _scaled(
    translation: Translation, columns: Columns, name: str, *operations: tuple[str, Any]
) -> list[Column]:
    """Return columns after operations with a vector each, or with None for none."""
    values = translation.numbers(columns, name)
    for operator, vector in operations:
        if vector is not None:
            vector = np.asarray(vector, np.float64)
            values = translation.graph.add(operator, values, vector)
    return columns_of(values, len(columns))


def add_times(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a TimesAsNumbers: an input that has the numbers already."""
    if any(column.content != "raw" for column in columns):
        advice = "Put it first, in front of the other steps."
        raise refuse_step(name, "take columns of the table", "those of a step", advice)
    kinds = [SECONDS if form == "duration" else DAYS for form in step.time_formats_]
    pairs = zip(columns, kinds, strict=True)
    return [translation.inputs.take(column, kind) for column, kind in pairs]


def add_imputer(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a SimpleImputer, of numbers and of texts."""
    statistics = step.statistics_.tolist()
    kept: list[Column] = []
    pairs = list(zip(columns, statistics, strict=True))
    for is_text, run in itertools.groupby(pairs, lambda pair: isinstance(pair[1], str)):
        own, fills = zip(*run, strict=True)
        add = _imputed_texts if is_text else _imputed_numbers
        found = add(translation, step, own, fills, name)
        # What was empty in training has no statistic and is dropped.
        keeps = [step.keep_empty_features or not is_gap(fill) for fill in fills]
        kept += itertools.compress(found, keeps)
    if step.add_indicator:
        kept += _indicators(translation, step, columns, name)
    return kept


def _imputed_numbers(
    translation: Translation, step: Any, columns: Columns, fills: Any, name: str
) -> list[Column]:
    """Return columns of numbers whose gaps are filled."""
    values = translation.numbers(columns, name)
    gaps = _gaps(translation, step, values, name)
    fill = np.array(fills, dtype=np.float64)
    values = translation.graph.add("Where", gaps, fill, values)
    return columns_of(values, len(columns))


def _gaps(translation: Translation, step: Any, values: str, name: str) -> str:
    """Return which numbers are gaps; refuse rows with nan where another value is."""
    is_nan = translation.graph.add("IsNaN", values)
    if is_gap(step.missing_values):
        return is_nan
    if isinstance(step.missing_values, str):
        advice = "Impute texts and numbers in steps of their own."
        rule = "have a number or NaN as missing_values"
        raise refuse_step(name, rule, shown(step.missing_values), advice)
    translation.refuse_where_any(is_nan)
    return translation.graph.add("Equal", values, float(step.missing_values))


def _indicators(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Return 1 for gaps and 0 for values, of columns that had gaps in training."""
    missed = step.indicator_.features_.tolist()
    if not missed:
        return []
    values = translation.numbers([columns[place] for place in missed], name)
    gaps = _gaps(translation, step, values, name)
    return columns_of(translation.graph.add("Cast", gaps, to=DOUBLE), len(missed))


def _imputed_texts(
    translation: Translation, step: Any, columns: Columns, fills: Any, name: str
) -> list[Column]:
    """Return columns of texts whose gaps are filled."""
    gap = MISSING if is_gap(step.missing_values) else step.missing_values
    if not isinstance(gap, str):
        advice = "Impute texts and numbers in steps of their own."
        raise refuse_step(name, "have a text as missing_values", shown(gap), advice)
    found = []
    for column, fill in zip(columns, fills, strict=True):
        texts = text_of(translation, column, name)
        is_gap_here = translation.graph.add(
            "LabelEncoder",
            texts,
            domain=ML_DOMAIN,
            keys_strings=[gap],
            values_int64s=[1],
            default_int64=0,
        )
        condition = translation.graph.add("Equal", is_gap_here, np.int64(1))
        constant = np.array([fill], dtype=object)
        filled = translation.graph.add("Where", condition, constant, texts)
        found.append(Column(filled, content=TEXT))
    return found


def text_of(translation: Translation, column: Column, name: str) -> str:
    """Return a column of texts as a value of shape (n_rows, 1)."""
    if column.content == "raw":
        column = translation.inputs.take(column, TEXT)
    if column.content != TEXT:
        advice = "Give it columns of the table."
        raise refuse_step(name, "take texts for the export", "numbers", advice)
    return column.tensor
