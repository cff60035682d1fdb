"""What a fitted classifier knows of its input columns, once it is found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from torch_binary_classifier.schemas import ColumnSchema
from torch_binary_classifier.scoring.vocabulary import Kind, Vocabulary

__all__ = ["InputColumn", "InputColumns", "Scale"]


@dataclass(frozen=True)
class Scale:
    """How the numbers of a column were spread in training.

    Attributes
    ----------
    mean : float
        Their mean.
    deviation : float
        Their standard deviation.
    is_narrow : bool, default=False
        Whether nine of ten had one value, so that the deviation hangs on a few rows.
    """

    mean: float
    deviation: float
    is_narrow: bool = False


@dataclass(frozen=True)
class InputColumn:
    """One column that a fitted classifier takes.

    Attributes
    ----------
    name : str
        Its name.
    kind : {"number", "text", "truth value", "time", "file", "dropped"}
        What its cells are; "file" where the model cannot tell, and what the file
        says counts; "dropped" where the model never looks at them.
    vocabulary : Vocabulary or None
        The categories that the model knows, if it encodes the column.
    needs_numbers : bool
        Whether a step would refuse any cell that is no number.
    gap : object
        What the model takes for a missing cell.
    had_gaps : bool or None
        Whether cells were missing in training; None where the model cannot tell.
    is_imputed : bool
        Whether the model puts something in the place of a missing cell.
    is_opaque : bool
        Whether a step looks at it of which nothing is known.
    schema : ColumnSchema or None
        What the column held in training, if the model carries that.
    dtype : str
        In which type of pandas or NumPy the model was given it, if that is known.
    time_format : str or None
        How the texts of a column of times are written, if a step reads them.
    scale : Scale or None
        How its numbers were spread in training, if that is known.
    """

    name: str
    kind: Kind | Literal["file", "dropped"]
    vocabulary: Vocabulary | None = None
    needs_numbers: bool = False
    gap: object = np.nan
    had_gaps: bool | None = None
    is_imputed: bool = False
    is_opaque: bool = False
    schema: ColumnSchema | None = None
    dtype: str = "object"
    time_format: str | None = None
    scale: Scale | None = None


@dataclass(frozen=True)
class InputColumns:
    """The columns that a fitted classifier expects.

    Attributes
    ----------
    columns : tuple of InputColumn
        All of them, in the order of the training data.
    """

    columns: tuple[InputColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns that a file must have."""
        return tuple(c.name for c in self.columns if c.kind != "dropped")

    @property
    def dropped(self) -> tuple[str, ...]:
        """Return the columns that the model never looks at."""
        return self.of_kind("dropped")

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Return the columns of one kind.

        Parameters
        ----------
        kind : str
            As in `InputColumn`.

        Returns
        -------
        tuple of str
            Their names.
        """
        return tuple(c.name for c in self.columns if c.kind == kind)
