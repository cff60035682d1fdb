"""What a fitted classifier expects of a table; reads no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch_binary_classifier.schemas import TableSchema
from torch_binary_classifier.scoring.columns import InputColumns
from torch_binary_classifier.scoring.file_types import FileColumn
from torch_binary_classifier.scoring.following import input_columns

__all__ = ["Expected", "expected_columns"]


@dataclass(frozen=True)
class Expected:
    """What a fitted classifier expects of a table.

    Attributes
    ----------
    columns : InputColumns
        Its columns, in the order of training.
    is_positional : bool, default=False
        Whether training had no names of columns, so that those of a table count by
        their order; the columns are called x0, x1 and so on then.
    as_file : mapping of str to FileColumn
        What a file says of the columns of which the model does not tell what they
        hold, those of kind "file".
    notes : tuple of str
        What was assumed, as sentences.
    """

    columns: InputColumns
    is_positional: bool = False
    as_file: Mapping[str, FileColumn] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def expected_columns(estimator: Any, schema: TableSchema | None = None) -> Expected:
    """Return what a fitted classifier expects of a table.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier.
    schema : TableSchema or None, default=None
        What its training table held, if the model does not carry that.

    Returns
    -------
    Expected
        Its columns and what is known of them.

    Raises
    ------
    ModelFileError
        If the estimator has no ``predict_proba`` or no two ``classes_``.
    """
    return Expected(input_columns(estimator))
