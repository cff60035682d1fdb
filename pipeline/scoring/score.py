"""A fitted classifier over a whole file; knows scikit-learn's words, not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.exceptions import ArtefactError, TableError
from pipeline.persistence import replaced_file
from pipeline.scoring.tables import (
    ROW_COUNT,
    SUFFIXES,
    Chunk,
    as_frame,
    open_table,
    open_writer,
)

__all__ = ["InputColumns", "ScoreSummary", "input_columns", "score_table"]

# Where the estimators of scikit-learn keep the fitted estimators that they wrap.
# `estimator` comes last: in a fitted search it is the unfitted template.
WRAPPED = (
    "best_estimator_",
    "calibrated_classifiers_",
    "estimators_",
    "estimator_",
    "estimator",
)


@dataclass(frozen=True)
class ScoreSummary:
    """What was scored.

    Attributes
    ----------
    n_rows : int
        Rows of the input, each of which has one row in the output.
    ignored : tuple of str
        Columns of the input that the model does not know.
    """

    n_rows: int
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class InputColumns:
    """The columns that a fitted classifier expects.

    Attributes
    ----------
    names : tuple of str
        All of them, in the order of the training data.
    texts : mapping of str to object
        The columns of text, each with what stands there for a missing cell. All
        others are numbers.
    """

    names: tuple[str, ...]
    texts: Mapping[str, object]


def score_table(
    estimator: Any,
    data: str | Path,
    out: str | Path,
    *,
    report: Callable[[int, float], None] | None = None,
) -> ScoreSummary:
    """Write the probability and the predicted label of every row of a table.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier that was trained on named columns: a Pipeline, a
        search, a calibrated classifier and so on.
    data : str or path
        The rows to score, a CSV or Parquet file with at least the columns of the
        training data, in any order.
    out : str or path
        The CSV or Parquet file to write. It has one row per row of ``data``, in the
        same order, with the columns ``_row`` (counted from 0), ``probability`` (of
        ``classes_[1]``) and ``prediction`` (the label).
    report : callable, default=None
        Called after each chunk with the rows done so far and roughly the fraction
        of the input that they are, 0 to 1.

    Returns
    -------
    ScoreSummary
        How many rows were scored and which columns were ignored.

    Raises
    ------
    ArtefactError
        If the estimator is no fitted binary classifier with named columns.
    TableError
        If the input cannot be read, lacks a column, or has a cell that cannot be
        scored. Nothing is written then.
    OutputError
        If the output cannot be written. Nothing is left at its path then, or what
        was there before.
    ValueError
        If ``out`` ends in no known suffix.

    Notes
    -----
    Rows are read, scored and written some thousand at a time, so memory does not
    grow with the file. What is a number and what is text comes from the fitted
    model, never from the first rows of the file.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"out must end in {', '.join(SUFFIXES)}, got {str(out)!r}."
        raise ValueError(msg)
    columns = input_columns(estimator)
    table = open_table(data)
    n_rows = 0
    with (
        replaced_file(out) as file,
        open_writer(file, suffix, _output_schema(estimator)) as writer,
    ):
        for chunk in table.chunks(columns.names):
            writer.write(_scored(estimator, columns, chunk))
            n_rows += chunk.n_rows
            if report is not None:
                report(n_rows, chunk.read_fraction)
    known = set(columns.names)
    return ScoreSummary(n_rows, tuple(n for n in table.names if n not in known))


def input_columns(estimator: Any) -> InputColumns:
    """Return which columns a fitted classifier expects, and which hold text.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier.

    Returns
    -------
    InputColumns
        Names and kinds. A column is one of text if it was fitted by an encoder that
        knows strings, an imputer of strings or a vectoriser.

    Raises
    ------
    ArtefactError
        If the estimator has no ``predict_proba`` or no two ``classes_``, or was
        trained on an array without column names.
    """
    described = type(estimator).__name__
    n_classes = len(getattr(estimator, "classes_", ()))
    if not hasattr(estimator, "predict_proba") or n_classes != 2:
        msg = (
            "model must be a fitted binary classifier with predict_proba, "
            f"got {described} with {n_classes} classes."
        )
        raise ArtefactError(msg)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        msg = (
            f"model must be trained on named columns, got {described} without names. "
            "Train it on a DataFrame."
        )
        raise ArtefactError(msg)
    return InputColumns(tuple(names), _text_columns(estimator, tuple(names)))


def _output_schema(estimator: Any) -> Any:
    """Return names and types of the scored table's columns."""
    labels = pa.array(estimator.classes_)
    return pa.schema(
        [
            ("_row", pa.int64()),
            ("probability", pa.float64()),
            ("prediction", labels.type),
        ]
    )


def _scored(estimator: Any, columns: InputColumns, chunk: Chunk) -> Any:
    """Return the output rows of one chunk."""
    schema = _output_schema(estimator)
    if chunk.n_rows == 0:
        return schema.empty_table()
    cells = {name: _cells(chunk, columns, name) for name in columns.names}
    frame = as_frame(cells)
    try:
        probabilities = np.asarray(estimator.predict_proba(frame))[:, 1]
        predictions = estimator.predict(frame)
    except (TypeError, ValueError) as error:
        raise TableError(_unfit_message(chunk, cells, error)) from error
    _check_finite(chunk, probabilities)
    rows = np.arange(chunk.first_row, chunk.first_row + chunk.n_rows)
    return pa.table([rows, probabilities, predictions], schema=schema)


def _cells(chunk: Chunk, columns: InputColumns, name: str) -> np.ndarray[Any, Any]:
    """Return one column in the kind that the model was trained on."""
    if name in columns.texts:
        return chunk.texts(name, columns.texts[name])
    return chunk.numbers(name)


def _unfit_message(
    chunk: Chunk, cells: Mapping[str, np.ndarray[Any, Any]], error: Exception
) -> str:
    """Describe why the model refused a chunk, by the missing number if that is it."""
    words = " ".join(str(error).split()).rstrip(".")
    gap = _first_gap(cells) if "NaN" in words else None
    if gap is not None:
        name, row = gap
        return (
            f"column {name!r} of {chunk.source} must have a number in every row, "
            f"got none in row {chunk.first_row + row} ({ROW_COUNT}). "
            "The model imputes no missing values."
        )
    last_row = chunk.first_row + chunk.n_rows - 1
    return (
        f"{chunk.source} must fit the model, got, in rows {chunk.first_row} to "
        f"{last_row} ({ROW_COUNT}): {words}."
    )


def _first_gap(
    cells: Mapping[str, np.ndarray[Any, Any]],
) -> tuple[str, int] | None:
    """Return column and position of the first missing number."""
    for name, column in cells.items():
        if column.dtype.kind == "f" and np.isnan(column).any():
            return name, int(np.isnan(column).argmax())
    return None


def _check_finite(chunk: Chunk, probabilities: np.ndarray[Any, Any]) -> None:
    """Refuse scores that are no numbers."""
    bad = np.flatnonzero(~np.isfinite(probabilities))
    if bad.size:
        row = chunk.first_row + int(bad[0])
        msg = (
            f"{chunk.source} must give finite probabilities, got "
            f"{float(probabilities[bad[0]])!r} in row {row} ({ROW_COUNT})."
        )
        raise TableError(msg)


def _text_columns(step: Any, names: Sequence[str]) -> dict[str, object]:
    """Return the columns of text among a step's inputs, with their missing value."""
    if hasattr(step, "transformers_"):
        found: dict[str, object] = {}
        for _, transformer, columns in step.transformers_:
            found |= _text_columns(transformer, _block_names(names, columns))
        return found
    found = dict.fromkeys(names, _missing_text(step)) if _reads_text(step) else {}
    for inner in _inner_steps(step):
        found |= _text_columns(inner, names)
    return found


def _inner_steps(step: Any) -> Iterator[Any]:
    """Yield the fitted estimators inside one that see the same columns as it."""
    if hasattr(step, "steps"):
        for _, inner in step.steps:
            yield inner
            if hasattr(inner, "transformers_"):
                return
        return
    for attribute in WRAPPED:
        wrapped = getattr(step, attribute, None)
        if wrapped is not None:
            yield from wrapped if isinstance(wrapped, list) else (wrapped,)
            return


def _block_names(names: Sequence[str], columns: Any) -> list[str]:
    """Return the names of a ColumnTransformer's block, however it selects them."""
    if isinstance(columns, str | int):
        columns = [columns]
    if not isinstance(columns, slice):
        columns = list(columns)
        if all(isinstance(column, str) for column in columns):
            return [*columns]
    return [str(name) for name in np.asarray(names, dtype=object)[columns]]


def _reads_text(step: Any) -> bool:
    """Return whether a fitted step knows strings: encoder, imputer, reader of times."""
    known = [*getattr(step, "categories_", ()), getattr(step, "statistics_", ())]
    if hasattr(step, "vocabulary_") or hasattr(step, "time_formats_"):
        return True
    return any(isinstance(value, str) for values in known for value in values)


def _missing_text(step: Any) -> object:
    """Return what a step that reads text takes for a missing cell."""
    categories = getattr(step, "categories_", ())
    knows_none = any(value is None for values in categories for value in values)
    return None if knows_none else np.nan
