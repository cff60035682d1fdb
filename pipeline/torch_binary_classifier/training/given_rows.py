"""Rows as they are given, as tensors; knows arrays and nothing of members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from torch_binary_classifier.interface.problem import WeightedRows
from torch_binary_classifier.training.rows import DenseRows, Rows, RowSet, SparseRows
from torch_binary_classifier.training.standardisation import Standardisation


@dataclass(frozen=True)
class GivenRows:
    """How checked rows become tensors.

    Parameters
    ----------
    standardisation : Standardisation or None
        What is done to the features on the way.
    names : sequence of str
        The columns, for messages.
    """

    standardisation: Standardisation | None
    names: Sequence[str]

    def of(self, rows: WeightedRows, dtype: torch.dtype) -> RowSet:
        """Return rows as tensors, the features without a copy where possible."""
        numpy_dtype = np.dtype(str(dtype).removeprefix("torch."))
        kind = self._sparse if scipy.sparse.issparse(rows.features) else self._dense
        features = kind(rows, numpy_dtype)
        # By NumPy: torch would start a pool of its own in every thread that prepares
        # a fit.
        index = torch.from_numpy(np.arange(len(rows.targets)))
        targets = torch.from_numpy(rows.targets.astype(numpy_dtype))
        weights = torch.from_numpy(rows.weights.astype(np.float64))
        return RowSet(features, index, targets, weights)

    def _sparse(self, rows: WeightedRows, dtype: np.dtype[Any]) -> Rows:
        """Return a sparse table; a standardisation needs the values as they are."""
        if self.standardisation is not None:
            return SparseRows(rows.features, self.standardisation)
        with np.errstate(over="ignore"):
            matrix = rows.features.astype(dtype, copy=False)
        _check_finite(matrix.data, rows, dtype, self.names)
        return SparseRows(matrix)

    def _dense(self, rows: WeightedRows, dtype: np.dtype[Any]) -> Rows:
        """Return a dense table."""
        if self.standardisation is not None:
            dense = np.empty(rows.features.shape, dtype)
            self.standardisation.apply(rows.features, dense)
        else:
            with np.errstate(over="ignore"):
                dense = np.asarray(rows.features, dtype=dtype)
        if dense.dtype != rows.features.dtype or self.standardisation is not None:
            _check_finite(dense, rows, dtype, self.names)
        return DenseRows(tensor_over(dense))


def _check_finite(
    values: Any, rows: WeightedRows, dtype: np.dtype[Any], names: Sequence[str]
) -> None:
    """Refuse values that overflowed in the network's precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    largest: Any = abs(rows.features).max(axis=0)
    if scipy.sparse.issparse(rows.features):
        largest = largest.toarray().ravel()
    column = int(np.argmax(largest))
    msg = (
        f"{names[column]} must hold values that {dtype} can represent, got "
        f"{float(largest[column])!r}. Set dtype='float64' or rescale the column."
    )
    raise ValueError(msg)


class _Interface:
    """A read-only array offered as writable, because torch knows no other kind."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = dict(array.__array_interface__)
        self.__array_interface__["data"] = (array.ctypes.data, False)


def tensor_over(array: Any) -> Tensor:
    """Return a tensor over an array's memory; it is never written to."""
    if not array.flags.writeable:
        array = np.asarray(_Interface(array))
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def subset(table: RowSet, rows: Any) -> RowSet:
    """Return some rows of a table."""
    index = torch.from_numpy(np.sort(rows).astype(np.int64))
    return RowSet(table.features, index, table.targets, table.weights)
