"""Seeded row orders and batches as views of gathered rows.

Knows rows of numbers, dense or sparse; nothing of networks or losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from pipeline.training.network import Logits, Units

# Rows are gathered in pieces of about this many elements per member, so that a batch
# is still in the cache when it is used and no second copy of the table is needed.
PIECE_ELEMENTS = 1 << 16

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
    order = torch.randperm(len(rows), generator=generator)
    return torch.index_select(rows, 0, order.to(rows.device))


class Rows(Protocol):
    """A table of features from which rows can be gathered."""

    n_features: int

    def __len__(self) -> int:
        """Return the number of rows."""

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows, ``(n_rows, n_features)``, to a tensor of contiguous rows."""

    def to(self, device: torch.device) -> Rows:
        """Return the table for networks on a device."""


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

    def to(self, device: torch.device) -> Rows:
        """Return the table on a device."""
        return DenseRows(self.values.to(device))


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

    def to(self, device: torch.device) -> Rows:  # noqa: ARG002
        """Return the table itself: rows are made dense on the CPU."""
        return self


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

    def to(self, device: torch.device) -> RowSet:
        """Return the rows on a device, themselves where they are there already."""
        if self.index.device == device:
            return self
        return RowSet(
            self.features.to(device),
            self.index.to(device),
            self.targets.to(device),
            self.weights.to(device),
        )


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


class Batch(NamedTuple):
    """Views of one batch's rows and labels.

    Labels are ``(n_members, n_rows)``: ``signs`` is 1 or -1, ``shares`` is each row's
    part of the batch's weight, ``offsets`` is minus target times share.
    ``correction`` is ``n / (n - 1)`` with the batch's weight n, ``(n_members, 1, 1)``.
    ``parts`` are the batch's slices of rows, none where it is not cut.
    """

    n_rows: int
    inputs: Units
    signs: Tensor
    shares: Tensor
    offsets: Tensor
    logits: Logits
    correction: Tensor
    parts: tuple[Batch, ...] = ()


Slices = Callable[[int], list[tuple[int, int]]]


def whole(n_rows: int) -> list[tuple[int, int]]:
    """Return one slice of all rows."""
    return [(0, n_rows)]


class Piece:
    """Some consecutive batches of an epoch, gathered into buffers that are reused.

    Attributes
    ----------
    batches : list of Batch
        The batches that are held now.
    n_rows : int
        Their rows.
    features : Tensor of shape (n_members or 1, n_rows, n_features + 1)
        The last column is 1.
    signs, shares, offsets, logits : Tensor of shape (n_members, n_rows)
        As in ``Batch``; ``logits`` are to be written by whoever computes them.
    epoch_shares : Tensor of shape (n_members, n_rows)
        Each row's part of the epoch's weight.
    """

    def __init__(
        self, shape: tuple[int, int, int], n_members: int, like: Tensor, slices: Slices
    ) -> None:
        n_rows = shape[1]
        self.n_members = n_members
        self.slices = slices
        self.features = like.new_ones(shape)
        # One column more than rows: members are never merged into one long row,
        # whose vectors would end elsewhere.
        labels = like.new_zeros(5, n_members, n_rows + 1)[..., :-1]
        self.signs, self.shares, self.offsets, self.logits, self.epoch_shares = labels
        self.corrections = like.new_zeros(n_members, 1, n_rows)
        self.n_rows = 0
        self.batches: list[Batch] = []
        self._views: dict[tuple[int, int], list[Batch]] = {}

    def hold(self, bounds: list[tuple[int, int]]) -> None:
        """Be the batches of these (start, stop) in the epoch."""
        begin, end = bounds[0][0], bounds[-1][1]
        self.n_rows = end - begin
        key = (len(bounds), self.n_rows)
        if key not in self._views:
            self._views[key] = [
                self._view(place, start - begin, stop - begin)
                for place, (start, stop) in enumerate(bounds)
            ]
        self.batches = self._views[key]

    def _view(self, place: int, start: int, stop: int) -> Batch:
        """Return the views of the rows ``start`` to ``stop`` and of their slices."""
        batch = self._rows(place, start, stop)
        slices = self.slices(stop - start)
        if len(slices) == 1:
            return batch
        parts = [
            self._rows(place, start + first, start + last) for first, last in slices
        ]
        return batch._replace(parts=tuple(parts))

    def _rows(self, place: int, start: int, stop: int) -> Batch:
        """Return the views of some rows of the batch at a place."""
        features = self.features[:, start:stop].expand(self.n_members, -1, -1)
        return Batch(
            stop - start,
            Units(features),
            self.signs[:, start:stop],
            self.shares[:, start:stop],
            self.offsets[:, start:stop],
            Logits(self.logits[:, start:stop]),
            self.corrections[:, :, place : place + 1],
        )


class EpochReader:
    """Hands out an epoch piece by piece: features, targets and row shares.

    Parameters
    ----------
    row_sets : sequence of RowSet
        The rows of each member, equally many.
    batches : list of (start, stop)
        From ``batch_starts``.
    like : Tensor
        Tells type and device of what is gathered.
    slices : callable
        From the rows of a batch to the (start, stop) of its slices.

    Notes
    -----
    What a member is handed does not depend on the other members: pieces have as many
    rows whoever is there. Members whose ``orders`` are one and the same tensor share
    one gather of the features.
    """

    def __init__(
        self,
        row_sets: Sequence[RowSet],
        batches: list[tuple[int, int]],
        like: Tensor,
        slices: Slices = whole,
    ) -> None:
        self.slices = slices
        self.row_sets = list(row_sets)
        self.batches = batches
        self.like = like
        largest = max(stop - start for start, stop in batches)
        n_features = row_sets[0].features.n_features
        self.piece_batches = max(1, PIECE_ELEMENTS // (n_features + 1) // largest)
        if like.device.type == "cuda":
            self.piece_batches = 1  # always at one address, see recording.py
        pieces = range(0, len(batches), self.piece_batches)
        self.pieces = [batches[at : at + self.piece_batches] for at in pieces]
        self.weights = [_RowWeights(rows) for rows in self.row_sets]
        self._piece: Piece | None = None
        self._held: list[Tensor] = []
        self._sizes: list[int] = []

    def read(self, orders: list[Tensor]) -> Iterator[Piece]:
        """Yield the pieces of an epoch with each member's rows in its order."""
        shared = all(
            order is orders[0] and rows.features is self.row_sets[0].features
            for order, rows in zip(orders, self.row_sets, strict=True)
        )
        slots = orders[:1] if shared else orders
        piece = self._buffers(len(slots))
        for bounds in self.pieces:
            if len(self.pieces) > 1 or not _same(orders, self._held):
                piece.hold(bounds)
                self._fill(piece, bounds, slots, orders)
                self._held = list(orders)
            yield piece

    def _buffers(self, n_slots: int) -> Piece:
        """Return a piece with room for so many gathers."""
        if self._piece is None or len(self._piece.features) != n_slots:
            n_rows = max(piece[-1][1] - piece[0][0] for piece in self.pieces)
            shape = (n_slots, n_rows, self.row_sets[0].features.n_features + 1)
            self._piece = Piece(shape, len(self.row_sets), self.like, self.slices)
            self._held, self._sizes = [], []
        return self._piece

    def _fill(
        self,
        piece: Piece,
        bounds: list[tuple[int, int]],
        slots: list[Tensor],
        orders: list[Tensor],
    ) -> None:
        """Gather features and labels of a piece."""
        start, stop = bounds[0][0], bounds[-1][1]
        n_rows = stop - start
        sizes = [batch.n_rows for batch in piece.batches]
        for place, order in enumerate(slots):
            out = piece.features[place, :n_rows, :-1]
            self.row_sets[place].features.gather(order[start:stop], out)
        signs, offsets = piece.signs[:, :n_rows], piece.offsets[:, :n_rows]
        for place, (rows, order) in enumerate(zip(self.row_sets, orders, strict=True)):
            chosen = order[start:stop]
            torch.index_select(rows.targets, 0, chosen, out=offsets[place])
            weights = self.weights[place]
            if not weights.equal or sizes != self._sizes:
                weights.write_shares(piece, place, chosen, sizes)
        self._sizes = sizes
        torch.add(offsets, offsets, out=signs).sub_(1.0)
        offsets.mul_(piece.shares[:, :n_rows]).neg_()


class _RowWeights:
    """A member's row weights as parts of a batch's and of the epoch's weight."""

    def __init__(self, rows: RowSet) -> None:
        chosen = rows.weights[rows.index]
        self.table = rows.weights
        self.equal = bool((chosen == chosen[0]).all())
        self.level = float(chosen[0])
        self.total = float(chosen.sum())
        self.n_rows = len(chosen)

    def write_shares(
        self, piece: Piece, place: int, rows: Tensor, sizes: list[int]
    ) -> None:
        """Write the shares of a piece's batches, of so many rows each."""
        n_rows = len(rows)
        counts = torch.tensor(sizes, dtype=torch.float64, device=rows.device)
        if self.equal:
            totals = counts * self.level
            shares = torch.repeat_interleave(1 / counts, counts.long())
            piece.epoch_shares[place, :n_rows] = 1 / self.n_rows
        else:
            weights = self.table[rows]
            number = torch.repeat_interleave(
                torch.arange(len(sizes), device=rows.device), counts.long()
            )
            totals = torch.zeros_like(counts).index_add_(0, number, weights)
            shares = weights / totals[number]
            piece.epoch_shares[place, :n_rows] = weights / self.total
        piece.shares[place, :n_rows] = shares
        totals = torch.maximum(totals, counts)
        piece.corrections[place, 0, : len(sizes)] = totals / (totals - 1)


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    """Return whether two lists hold the same objects."""
    return len(some) == len(others) and all(
        one is other for one, other in zip(some, others, strict=True)
    )
