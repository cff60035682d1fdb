"""Seeded row orders and batches as views of gathered rows.

Knows rows of numbers, dense or sparse; nothing of networks or losses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from pipeline.training.network import LINE_BYTES

# Rows are gathered in pieces of about this many elements, so that a batch is still in
# the cache when it is used and the epoch needs no second copy of the table.
GATHER_ELEMENTS = 1 << 18

SHUFFLE, DROPOUT = 1, 2


def stream_seed(seed: int, epoch: int, purpose: int) -> int:
    """Return the seed of one epoch's random numbers for one purpose.

    A member's random numbers depend on its seed and the epoch only, so a run can be
    continued, or trained in any company, with the same bits. The mixing is the
    finaliser of SplitMix64 (Steele, Lea, Flood 2014, figure 16).
    """
    mask = (1 << 64) - 1
    mixed = seed & mask
    for word in (epoch, purpose):
        mixed = (mixed + 0x9E3779B97F4A7C15 * (word + 1)) & mask
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        mixed ^= mixed >> 31
    return mixed >> 1


def shuffled(rows: Tensor, seed: int, epoch: int) -> Tensor:
    """Return the row numbers in the order of one epoch."""
    generator = torch.Generator()
    generator.manual_seed(stream_seed(seed, epoch, SHUFFLE))
    return rows[torch.randperm(len(rows), generator=generator)]


class Rows(Protocol):
    """A table of features from which rows can be gathered."""

    n_features: int

    def __len__(self) -> int:
        """Return the number of rows."""

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows, ``(n_rows, n_features)``, to a contiguous tensor."""


class DenseRows:
    """Rows of a dense tensor ``(n_rows, n_features)``."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.n_features = values.shape[1]

    def __len__(self) -> int:
        return self.values.shape[0]

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows to ``out``."""
        torch.index_select(self.values, 0, rows, out=out)


class SparseRows:
    """Rows of a compressed sparse row matrix, made dense a few at a time."""

    def __init__(
        self, matrix: scipy.sparse.csr_matrix | scipy.sparse.csr_array
    ) -> None:
        self.matrix = matrix
        self.n_features = matrix.shape[1]

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows to ``out``."""
        dense = self.matrix[rows.cpu().numpy()].toarray()
        out.copy_(torch.from_numpy(np.ascontiguousarray(dense)))


@dataclass(frozen=True)
class RowSet:
    """Labelled rows of a table.

    Parameters
    ----------
    features : Rows
        The whole table; shared between members.
    index : Tensor of shape (n_rows,)
        Which rows of the table belong to the set.
    targets : Tensor of shape (table length,)
        Class indicators 0.0 or 1.0 of every row of the table.
    weights : Tensor of shape (table length,)
        Row weights of every row of the table, > 0.
    """

    features: Rows
    index: Tensor
    targets: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.index)


def batch_starts(n_rows: int, batch_size: int, smallest: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of every batch of an epoch.

    A last batch of fewer than ``smallest`` rows joins the one before it.

    Examples
    --------
    >>> batch_starts(7, 3, smallest=1)
    [(0, 3), (3, 6), (6, 7)]
    >>> batch_starts(7, 3, smallest=2)
    [(0, 3), (3, 7)]
    """
    starts = list(range(0, n_rows, batch_size))
    if len(starts) > 1 and n_rows - starts[-1] < smallest:
        starts.pop()
    return list(zip(starts, [*starts[1:], n_rows], strict=True))


def member_rows(
    n_members: int, n_rows: int, n_features: int, dtype: torch.dtype
) -> Tensor:
    """Return a buffer ``(n_members, n_rows, n_features)``, each member on a cache line.

    Kernels may treat rows at other alignments differently in the last bit; this way
    every member starts at the same one.
    """
    line_rows = LINE_BYTES // dtype.itemsize
    stored = -(-n_rows // line_rows) * line_rows
    return torch.empty(n_members, stored, n_features, dtype=dtype)[:, :n_rows]


class BatchReader:
    """Hands out the features of an epoch's batches, gathered piece by piece.

    Parameters
    ----------
    tables : list of Rows
        The table of each member.
    batches : list of (start, stop)
        From ``batch_starts``.
    dtype : torch.dtype
        Type of the gathered rows.
    """

    def __init__(
        self, tables: list[Rows], batches: list[tuple[int, int]], dtype: torch.dtype
    ) -> None:
        self.tables = tables
        self.batches = batches
        self.dtype = dtype
        largest = max(stop - start for start, stop in batches)
        wanted = GATHER_ELEMENTS // max(1, tables[0].n_features * len(tables))
        self.piece_batches = max(1, wanted // largest)
        self.piece_rows = min(batches[-1][1], self.piece_batches * largest + largest)
        self._buffer: Tensor | None = None
        self._held: list[Tensor] = []

    def read(self, orders: list[Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Yield each batch's number and rows, ``(n_members, batch_size, n_features)``.

        Members whose ``orders`` are one and the same tensor share one gather.
        """
        shared = all(
            order is orders[0] and table is self.tables[0]
            for order, table in zip(orders, self.tables, strict=True)
        )
        slots = orders[:1] if shared else orders
        for first in range(0, len(self.batches), self.piece_batches):
            piece = self.batches[first : first + self.piece_batches]
            start = piece[0][0]
            rows = self._gather(slots, start, piece[-1][1])
            rows = rows.expand(len(orders), -1, -1)
            for number, (begin, end) in enumerate(piece, start=first):
                yield number, rows[:, begin - start : end - start]

    def _gather(self, orders: list[Tensor], start: int, stop: int) -> Tensor:
        """Return the rows ``orders[:][start:stop]``, unless they are held already."""
        if self._buffer is None or len(self._buffer) != len(orders):
            n_features = self.tables[0].n_features
            self._buffer = member_rows(
                len(orders), self.piece_rows, n_features, self.dtype
            )
            self._held = []
        rows = self._buffer[:, : stop - start]
        if _same(orders, self._held):
            return rows
        for slot, order in enumerate(orders):
            self.tables[slot].gather(order[start:stop], rows[slot])
        if len(self.batches) <= self.piece_batches:
            self._held = list(orders)
        return rows


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    """Return whether two lists hold the same objects."""
    return len(some) == len(others) and all(
        one is other for one, other in zip(some, others, strict=True)
    )
