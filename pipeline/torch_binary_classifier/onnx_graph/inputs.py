"""The columns that steps hand on, and the graph inputs that the first of them are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torch_binary_classifier.onnx_graph.graph import Graph
from torch_binary_classifier.preparation import MISSING
from torch_binary_classifier.wording import shown

NUMBER, TEXT, DAYS, SECONDS = "number", "text", "days", "seconds"
# What an input holds, for those who feed it.
INPUTS = {
    NUMBER: "Numbers; NaN where missing.",
    TEXT: f"Texts; {MISSING} where missing.",
    DAYS: "Days since 1970-01-01, UTC; NaN where missing.",
    SECONDS: "Seconds; NaN where missing.",
}
TABLE = "X"  # the input of models trained on arrays


@dataclass(frozen=True)
class Column:
    """A column of a value in the graph.

    Parameters
    ----------
    tensor : str
        The value.
    place, width : int
        Which of its columns, and how many it has.
    content : {"raw", "number", "code", "text"}
        A cell of the table that no step has taken yet; a number; a number that stands
        for the category of that number; a text.
    """

    tensor: str
    place: int = 0
    width: int = 1
    content: str = NUMBER


class Inputs:
    """The inputs of a graph: a column each, or one for all without names.

    Parameters
    ----------
    names : sequence of str or None
        The names of the columns.
    n_columns : int
        Their number.
    """

    def __init__(self, names: Sequence[str] | None, n_columns: int) -> None:
        self.n_columns = n_columns
        if names is None:
            places = range(n_columns)
            self.columns = [Column(TABLE, j, n_columns, "raw") for j in places]
        else:
            self.columns = [Column(name, content="raw") for name in names]
        self.is_table = names is None
        self.taken: dict[Column, str] = {}  # and what it holds

    def take(self, column: Column, kind: str) -> Column:
        """Let a step be the first to take a column; return what it gets."""
        known = self.taken.setdefault(column, kind)
        if known != kind:
            msg = (
                f"{self._called(column)} must be of one kind for the export, got steps "
                f"that take it for {known} and for {kind}. Give each a column."
            )
            raise ValueError(msg)
        if kind == TEXT and self.is_table:
            msg = (
                f"{self._called(column)} must hold numbers for the export, got texts "
                "in an array. Train on a table with names of columns."
            )
            raise ValueError(msg)
        return replace(column, content=TEXT if kind == TEXT else NUMBER)

    def described(self) -> dict[str, str]:
        """Return what each input holds; columns that no step takes are none."""
        if self.is_table:
            return {TABLE: f"{self.n_columns} columns. {INPUTS[NUMBER]}"}
        return {
            column.tensor: INPUTS[self.taken[column]]
            for column in self.columns
            if column in self.taken
        }

    def of_texts(self) -> set[str]:
        """Return the inputs that hold texts."""
        return {column.tensor for column, kind in self.taken.items() if kind == TEXT}

    def _called(self, column: Column) -> str:
        """Return what errors call a column."""
        return f"column {column.place if self.is_table else shown(column.tensor)}"


@dataclass
class Translation:
    """A graph under construction, its inputs, and which rows it refuses.

    Parameters
    ----------
    graph : Graph
    inputs : Inputs
    refusals : list of str
        Values of shape (n_rows, 1), nan for rows that the pipeline would raise for.
    """

    graph: Graph
    inputs: Inputs
    refusals: list[str] = field(default_factory=list)

    def numbers(self, columns: Sequence[Column], step: str) -> str:
        """Return columns of numbers as one value of shape (n_rows, n_columns)."""
        taken = [
            self.inputs.take(one, NUMBER) if one.content == "raw" else one
            for one in columns
        ]
        other = next((one for one in taken if one.content != NUMBER), None)
        if other is not None:
            msg = (
                f"step {shown(step)} must take numbers for the export, got a column "
                "of texts. Put a OneHotEncoder in front."
            )
            raise ValueError(msg)
        return self.side_by_side(taken)

    def side_by_side(self, columns: Sequence[Column]) -> str:
        """Return columns of one type as one value."""
        runs = itertools.groupby(columns, lambda column: (column.tensor, column.width))
        parts = [
            self._chosen(tensor, width, [column.place for column in run])
            for (tensor, width), run in runs
        ]
        return parts[0] if len(parts) == 1 else self.graph.add("Concat", *parts, axis=1)

    def refuse_where(self, condition: str) -> None:
        """Refuse rows by a truth value of shape (n_rows, 1)."""
        self.refusals.append(self.graph.add("Where", condition, np.nan, 0.0))

    def refuse_where_any(self, conditions: str) -> None:
        """Refuse rows by truth values of shape (n_rows, n_columns)."""
        counted = self.graph.add("Cast", conditions, to=DOUBLE)
        count = self.graph.add("ReduceSum", counted, [1], keepdims=1)
        self.refuse_where(self.graph.add("Greater", count, 0.0))

    def refuse_infinite(self) -> None:
        """Refuse rows with an infinite number, as all steps do."""
        numbers = [
            self.inputs.take(column, kind)
            for column, kind in self.inputs.taken.items()
            if kind != TEXT
        ]
        if numbers:
            rows = self.side_by_side(numbers)
            self.refuse_where_any(self.graph.add("IsInf", rows))

    def _chosen(self, tensor: str, width: int, places: list[int]) -> str:
        """Return some columns of a value, or itself if these are all."""
        if places == list(range(width)):
            return tensor
        return self.graph.add("Gather", tensor, np.array(places), axis=1)


DOUBLE = 11  # the element type by its number in onnx.proto


def columns_of(tensor: str, width: int) -> list[Column]:
    """Return the columns of a value of numbers."""
    return [Column(tensor, place, width) for place in range(width)]


def refuse_step(step: str, rule: str, got: Any, advice: str) -> ValueError:
    """Return the error for a step that cannot be exported."""
    return ValueError(f"step {shown(step)} must {rule}, got {got}. {advice}")
