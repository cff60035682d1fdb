"""An epoch in batches: their bounds, and the rows gathered for them.

Knows rows of numbers, dense or sparse; nothing of networks or losses.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, pairwise

import torch
from torch import Tensor

from torch_binary_classifier.training.pieces import (
    Bounds,
    Buffers,
    Piece,
    Slices,
    whole,
)
from torch_binary_classifier.training.rows import RowSet

# A last batch is filled up to a multiple of so many rows by rows without weight: the
# folds of 455 and 456 rows of one search then go through one and the same program.
FILLED_ROWS = 16


def batch_starts(n_rows: int, batch_size: int, smallest: int) -> Bounds:
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


def filled_up(batches: Bounds) -> Bounds:
    """Return the batches with the last one filled up, to as many rows as the first.

    Examples
    --------
    >>> filled_up([(0, 64), (64, 71)])
    [(0, 64), (64, 80)]
    >>> filled_up([(0, 50), (50, 99)])
    [(0, 50), (50, 100)]
    >>> filled_up([(0, 99)])
    [(0, 112)]
    """
    start, stop = batches[-1]
    filled = start + -(-(stop - start) // FILLED_ROWS) * FILLED_ROWS
    if start > 0:
        filled = max(stop, min(filled, start + batches[0][1]))
    return [*batches[:-1], (start, filled)]


class EpochReader:
    """Hands out an epoch piece by piece: features, signs and row shares.

    Parameters
    ----------
    row_sets : sequence of RowSet
        The rows of each member; in all batches but the last equally many.
    pieces : list of list of (start, stop)
        The epoch's batches, those together that are gathered at once.
    like : Tensor
        Tells type and device of what is gathered.
    slices : callable
        From the rows of a batch to the (start, stop) of its slices.

    Notes
    -----
    What a member is handed does not depend on the other members: pieces have as many
    rows whoever is there. Neighbours whose ``orders`` are one and the same tensor share
    one gather, the others' is a copy; where all do, they share the gathered rows too.
    """

    def __init__(
        self,
        row_sets: Sequence[RowSet],
        pieces: list[Bounds],
        like: Tensor,
        slices: Slices = whole,
    ) -> None:
        self.slices = slices
        self.row_sets = list(row_sets)
        self.like = like
        self.pieces = pieces
        self.weights = [_RowWeights(rows) for rows in self.row_sets]
        tables = {id(rows.targets): rows.targets for rows in self.row_sets}
        signs = {key: 2 * targets - 1 for key, targets in tables.items()}
        self.signs = [signs[id(rows.targets)] for rows in self.row_sets]
        self._buffers: Buffers | None = None
        self._held: list[Tensor] = []

    def read(self, orders: list[Tensor]) -> Iterator[Piece]:
        """Yield the pieces of an epoch with each member's rows in its order."""
        if len(self.pieces) == 1 and _same(orders, self._held):
            assert self._buffers is not None
            yield self._buffers.piece(self.pieces[0], self.slices, last=True)
            return
        runs = self._runs(orders)
        buffers = self._room_for(len(orders) if len(runs) > 1 else 1)
        self._held = list(orders)
        for bounds in self.pieces:
            last = bounds is self.pieces[-1]
            piece = buffers.piece(bounds, self.slices, last=last)
            self._gather(piece, orders, runs, bounds[0][0], bounds[-1][1])
            yield piece

    def _runs(self, orders: list[Tensor]) -> Bounds:
        """Return the (first, last) of neighbours with the same rows, last excluded."""
        sources = [
            (id(order), id(rows.features), id(rows.targets))
            for order, rows in zip(orders, self.row_sets, strict=True)
        ]
        lengths = [len(list(run)) for _, run in groupby(sources)]
        return list(pairwise(accumulate(lengths, initial=0)))

    def _room_for(self, n_slots: int) -> Buffers:
        """Return buffers for so many gathers."""
        if self._buffers is None or len(self._buffers.features) != n_slots:
            n_rows = max(piece[-1][1] - piece[0][0] for piece in self.pieces)
            shape = (n_slots, n_rows, self.row_sets[0].features.n_features + 1)
            self._buffers = Buffers(shape, len(self.row_sets), self.like)
        return self._buffers

    def _gather(
        self,
        piece: Piece,
        orders: list[Tensor],
        runs: Bounds,
        start: int,
        stop: int,
    ) -> None:
        """Gather features and labels of the rows ``start`` to ``stop``.

        The rows that fill up a member's last batch keep what was there: any numbers.
        """
        for first, last in runs:
            rows = orders[first][start:stop]
            features = piece.features[first:last, : len(rows)]
            signs = piece.signs[first:last, : len(rows)]
            self.row_sets[first].features.gather(rows, features[0, :, :-1])
            torch.index_select(self.signs[first], 0, rows, out=signs[0])
            for gathered in (features, signs):
                if len(gathered) > 1:
                    gathered[1:] = gathered[0]
        for place, weights in enumerate(self.weights):
            if not (weights.equal and piece.written):
                weights.write_shares(piece, place, orders[place][start:stop])
        piece.written = True
        # -share for the sign 1, 0 for the sign -1, both exactly.
        half = piece.half_shares
        torch.addcmul(half, piece.signs, half, out=piece.offsets)


class _RowWeights:
    """A member's row weights as parts of a batch's and of the epoch's weight."""

    def __init__(self, rows: RowSet) -> None:
        chosen = rows.weights[rows.index]
        self.table = rows.weights
        self.equal = bool((chosen == chosen[0]).all())
        self.level = float(chosen[0])
        self.total = float(chosen.sum())
        self.n_rows = len(chosen)

    def write_shares(self, piece: Piece, place: int, rows: Tensor) -> None:
        """Write the shares of a piece's rows in their batches and in the epoch."""
        sizes = piece.sizes
        sizes[-1] -= sum(sizes) - len(rows)
        counts = torch.tensor(sizes, dtype=torch.float64, device=rows.device)
        if self.equal:
            totals = counts * self.level
            shares = torch.repeat_interleave(1 / counts, counts.long())
            piece.epoch_shares[place, : len(rows)] = 1 / self.n_rows
        else:
            weights = self.table[rows]
            number = torch.repeat_interleave(
                torch.arange(len(sizes), device=rows.device), counts.long()
            )
            totals = torch.zeros_like(counts).index_add_(0, number, weights)
            shares = weights / totals[number]
            piece.epoch_shares[place, : len(rows)] = weights / self.total
        piece.shares[place, : len(rows)] = shares
        torch.mul(piece.shares[place], -0.5, out=piece.half_shares[place])
        totals = torch.maximum(totals, counts)
        piece.corrections[place] = totals / (totals - 1)


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    """Return whether two lists hold the same objects."""
    return len(some) == len(others) and all(map(operator.is_, some, others))
