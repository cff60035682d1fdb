"""Encoders of categories as ONNX operators."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.onnx_graph.graph import ML_DOMAIN
from torch_binary_classifier.onnx_graph.inputs import (
    DOUBLE,
    TEXT,
    Column,
    Translation,
    columns_of,
    refuse_step,
)
from torch_binary_classifier.onnx_graph.numbers import text_of
from torch_binary_classifier.preparation import MISSING
from torch_binary_classifier.tables.forms import code
from torch_binary_classifier.tables.missing import is_gap

CODE = "code"
Columns = Sequence[Column]


def add_texts(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a CategoriesAsTexts: numbers stay numbers, which say the same as texts."""
    found = []
    for column, is_code in zip(columns, step.number_codes_, strict=True):
        if is_code:
            numbers = translation.numbers([column], name)
            found.append(Column(numbers, content=CODE))
        else:
            found.append(Column(text_of(translation, column, name), content=TEXT))
    return found


def add_one_hot(
    translation: Translation, step: Any, columns: Columns, name: str
) -> list[Column]:
    """Add a OneHotEncoder."""
    encoded: list[Column] = []
    for number, column in enumerate(columns):
        place = _places(translation, column, step.categories_[number], name)
        if step.handle_unknown == "error":
            unknown = translation.graph.add("Equal", place, np.int64(0))
            translation.refuse_where(unknown)
        rows = _rows_of_categories(step, number)
        place = translation.graph.add("Squeeze", place, [1])
        values = translation.graph.add("Gather", rows, place, axis=0)
        encoded += columns_of(values, rows.shape[1])
    return encoded


def _places(
    translation: Translation, column: Column, categories: Any, name: str
) -> str:
    """Return each cell's category, counted from 1, 0 for an unknown one."""
    known = categories.tolist()
    gaps = [place for place, category in enumerate(known) if is_gap(category)]
    if len(gaps) > 1:
        advice = "Put a SimpleImputer in front."
        raise refuse_step(name, "know one category of missing cells", known, advice)
    values = [category for category in known if not is_gap(category)]
    if column.content == CODE:
        return _places_of_numbers(translation, column, _numbers(known, name))
    if all(isinstance(value, str) for value in values):
        texts = [MISSING if is_gap(category) else category for category in known]
        return _places_of_texts(translation, column, texts, name)
    if any(isinstance(value, str) for value in values):
        advice = "Put a CategoriesAsTexts in front."
        raise refuse_step(name, "know texts or numbers of a column", "both", advice)
    numbers = [np.nan if is_gap(category) else float(category) for category in known]
    return _places_of_numbers(translation, column, numbers, name)


def _numbers(texts: Sequence[str], name: str) -> list[float]:
    """Return the numbers that codes are."""
    numbers = [np.nan if text == MISSING else float(text) for text in texts]
    if [MISSING if is_gap(one) else code(one) for one in numbers] != list(texts):
        rule = "know codes that float64 can tell apart"
        advice = "Make texts of the column before training."
        raise refuse_step(name, rule, "others", advice)
    return numbers


def _places_of_texts(
    translation: Translation, column: Column, texts: list[str], name: str
) -> str:
    """Return the places of texts, (n_rows, 1)."""
    if len(set(texts)) < len(texts):
        advice = "Put a SimpleImputer in front."
        raise refuse_step(name, f"know {MISSING} for missing cells", "twice", advice)
    return translation.graph.add(
        "LabelEncoder",
        text_of(translation, column, name),
        domain=ML_DOMAIN,
        keys_strings=texts,
        values_int64s=list(range(1, len(texts) + 1)),
        default_int64=0,
    )


def _places_of_numbers(
    translation: Translation, column: Column, numbers: list[float], name: str = ""
) -> str:
    """Return the places of numbers, (n_rows, 1)."""
    graph = translation.graph
    if column.content == CODE:
        cells = column.tensor
    else:
        cells = translation.numbers([column], name)
    hits = graph.add("Equal", cells, np.array(numbers)[np.newaxis])
    if np.isnan(numbers).any():
        gaps = graph.add("And", graph.add("IsNaN", cells), np.isnan(numbers))
        hits = graph.add("Or", hits, gaps)
    counted = graph.add("Cast", hits, to=DOUBLE)
    places = np.arange(1.0, len(numbers) + 1)[:, np.newaxis]
    return graph.add("Cast", graph.add("MatMul", counted, places), to=INT64)


INT64 = 7  # the element type by its number in onnx.proto


def _rows_of_categories(step: Any, number: int) -> NDArray[np.float64]:
    """Return what an encoder makes of an unknown category, and of each known one.

    The encoder itself is asked, so that its ways with dropped and infrequent
    categories need not be said twice.
    """
    own = step.categories_[number].tolist()
    unknown = own[0] if step.handle_unknown == "error" else _unknown(own)
    first = [categories[0] for categories in step.categories_]
    table = np.array([first] * (len(own) + 1), dtype=object)
    table[:, number] = [unknown, *own]
    if all(categories.dtype.kind in "biuf" for categories in step.categories_):
        table = table.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names, and of unknown categories
        encoded = step.transform(table)
    if hasattr(encoded, "toarray"):
        encoded = encoded.toarray()
    sizes = [_n_outputs(step, column) for column in range(len(step.categories_))]
    start = sum(sizes[:number])
    block = np.asarray(encoded)[:, start : start + sizes[number]]
    return block.astype(np.float64)


def _n_outputs(step: Any, number: int) -> int:
    """Return how many columns an encoder makes of one."""
    n_outputs = len(step.categories_[number])
    infrequent = getattr(step, "infrequent_categories_", None)
    if infrequent is not None and infrequent[number] is not None:
        n_outputs -= len(infrequent[number]) - 1
    if step.drop_idx_ is not None and step.drop_idx_[number] is not None:
        n_outputs -= 1
    return n_outputs


def _unknown(categories: list[Any]) -> Any:
    """Return a value that is none of the categories, and of their kind."""
    texts = [one for one in categories if isinstance(one, str)]
    if texts:
        return max(texts, key=len) + "?"
    return (
        2 * max((abs(float(one)) for one in categories if not is_gap(one)), default=0)
        + 1
    )
