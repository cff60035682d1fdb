"""Rows as they are given, as tensors; knows arrays and nothing of members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.interface.problem import WeightedRows
from torch_binary_classifier.training.interpolation import Interpolation
from torch_binary_classifier.training.rows import (
    DenseRows,
    EncodedRows,
    Rows,
    RowSet,
    SparseRows,
)
from torch_binary_classifier.training.standardisation import Standardisation

# Inputs of a whole table are kept if they take no more; otherwise they are made for
# every batch anew.
ENCODED_BYTES = 1 << 28
ENCODED_ROWS = 4096  # encoded at once


@dataclass(frozen=True)
class GivenRows:
    """How checked rows become tensors.

    Parameters
    ----------
    standardisation : Standardisation or None
        What is done to the features on the way.
    names : sequence of str
        The columns, for messages.
    encoding : Encoding or None
        What the networks see of the columns.
    interpolation : Interpolation or None
        How networks read the rows that are not encoded.
    """

    standardisation: Standardisation | None
    names: Sequence[str]
    encoding: Encoding | None = None
    interpolation: Interpolation | None = None

    def of(self, rows: WeightedRows, dtype: torch.dtype) -> RowSet:
        """Return rows as tensors, the features without a copy where possible."""
        numpy_dtype = np.dtype(str(dtype).removeprefix("torch."))
        kind = self._sparse if scipy.sparse.issparse(rows.features) else self._dense
        features = self._encoded(kind(rows, numpy_dtype), numpy_dtype)
        # By NumPy: torch would start a pool of its own in every thread that prepares
        # a fit.
        index = torch.from_numpy(np.arange(len(rows.targets)))
        targets = torch.from_numpy(rows.targets.astype(numpy_dtype))
        weights = torch.from_numpy(rows.weights.astype(np.float64))
        return RowSet(features, index, targets, weights)

    def _encoded(self, table: Rows, dtype: np.dtype[Any]) -> Rows:
        """Return a table's inputs: at once if they are few, or when they are read."""
        if self.interpolation is not None:
            return self.interpolation.table_of(table)
        if self.encoding is None:
            return table
        encoded = EncodedRows(table, self.encoding.cast(dtype))
        shape = (len(table), encoded.n_features)
        if shape[0] * shape[1] * dtype.itemsize > ENCODED_BYTES:
            return encoded
        inputs = torch.from_numpy(np.empty(shape, dtype))
        for start in range(0, len(table), ENCODED_ROWS):
            stop = min(start + ENCODED_ROWS, len(table))
            some = torch.from_numpy(np.arange(start, stop))
            encoded.gather(some, inputs[start:stop])
        return DenseRows(inputs)

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
        if np.isfinite(values.sum(dtype=np.float64)) or not np.isinf(values).any():
            return  # gaps are no overflow
    sparse = scipy.sparse.issparse(rows.features)
    size: Any = abs(rows.features)
    if sparse:
        size.data = np.fmax(size.data, 0)  # of a gap and 0 it is 0
    largest = size.max(axis=0).toarray().ravel() if sparse else np.fmax.reduce(size, 0)
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
