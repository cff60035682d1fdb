"""Equal tables of many fits as one object; knows tables, not who trains on them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from torch_binary_classifier.training.rows import (
    DenseRows,
    EncodedRows,
    Rows,
    RowSet,
    SparseRows,
)
from torch_binary_classifier.training.run import Training


class InternedTables:
    """One object for everything of equal content, so that members are gathered once.

    Notes
    -----
    Contents are compared by their BLAKE2b digests of 128 bits.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}
        self._lock = threading.Lock()
        self.n_bytes = 0

    def intern(self, training: Training) -> None:
        """Replace a training's tables by equal ones known before."""
        seen: dict[int, Any] = {}
        training.members[:] = [
            replace(
                member,
                train=self._interned_rows(member.train, seen),
                validation=None
                if member.validation is None
                else self._interned_rows(member.validation, seen),
            )
            for member in training.members
        ]

    def _interned_rows(self, rows: RowSet, seen: dict[int, Any]) -> RowSet:
        """Return a row set of the parts known before, where there are equal ones."""
        return RowSet(
            self._interned(rows.features, seen),
            self._interned(rows.index, seen),
            self._interned(rows.targets, seen),
            self._interned(rows.weights, seen),
        )

    def _interned(self, part: Rows | Tensor, seen: dict[int, Any]) -> Any:
        """Return the first part that had the same content."""
        if id(part) not in seen:
            arrays = arrays_of(part)
            key = _digest(arrays)
            with self._lock:
                if self._known.setdefault(key, part) is part:
                    self.n_bytes += sum(array.nbytes for array in arrays)
            # The part stays referenced, so that no other can get its id.
            seen[id(part)] = (self._known[key], part)
        return seen[id(part)][0]


def arrays_of(part: Rows | Tensor) -> list[Any]:
    """Return the arrays that a table or tensor consists of."""
    if isinstance(part, SparseRows):
        matrix, scaling = part.matrix, part.standardisation
        given = [matrix.data, matrix.indices, matrix.indptr]
        return given if scaling is None else [*given, scaling.shift, scaling.scale]
    if isinstance(part, EncodedRows):
        encoding = part.encoding.as_arrays().values()
        return [*arrays_of(part.rows), *map(np.asarray, encoding)]
    if isinstance(part, DenseRows):
        return [part.values.numpy()]
    assert isinstance(part, Tensor)
    return [part.numpy()]


def _digest(arrays: Sequence[Any]) -> bytes:
    """Return a digest of the arrays' types, shapes and bytes."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.digest()
