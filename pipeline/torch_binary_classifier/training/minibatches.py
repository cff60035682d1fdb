"""Seeded row orders and batches as views of gathered rows.

Knows rows of numbers, dense or sparse; nothing of networks or losses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from typing import Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from torch_binary_classifier.training.layers import Logits, Units
from torch_binary_classifier.training.standardisation import Standardisation

# Rows are gathered in pieces of about this many elements per member, so that a batch
# is still in the cache when it is used and no second copy of the table is needed.
PIECE_ELEMENTS = 1 << 16

# A last batch is filled up to a multiple of so many rows by rows without weight: the
# folds of 455 and 456 rows of one search then go through one and the same program.
FILLED_ROWS = 16

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


def shuffled(
    rows: Tensor, seed: int, epoch: int, generator: torch.Generator | None = None
) -> Tensor:
    """Return the row numbers in the order of one epoch.

    ``generator`` is seeded anew; handing one over saves making it.
    """
    generator = torch.Generator() if generator is None else generator
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
    """Rows of a compressed sparse row matrix, made dense a few at a time.

    With a standardisation they are standardised then: shifted, most would not be zero.
    """

    def __init__(
        self,
        matrix: scipy.sparse.csr_matrix | scipy.sparse.csr_array,
        standardisation: Standardisation | None = None,
    ) -> None:
        self.matrix = matrix
        self.standardisation = standardisation
        self.n_features = matrix.shape[1]

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows to ``out``."""
        chosen = self.matrix[rows.cpu().numpy()]
        if self.standardisation is None:
            dense = chosen.toarray()
        else:
            dense = np.empty(chosen.shape)
            self.standardisation.apply(chosen, dense)
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


def filled_up(batches: list[tuple[int, int]]) -> list[tuple[int, int]]:
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


@dataclass(frozen=True, eq=False)
class Batch:
    """Views of one batch's rows and labels.

    Labels are ``(n_members, n_rows)``: ``signs`` is 1 or -1, ``shares`` is each row's
    part of the batch's weight, ``offsets`` is minus target times share.
    ``correction`` is ``n / (n - 1)`` with the batch's weight n, ``(n_members, 1, 1)``.
    ``parts`` are the batch's slices of rows, none where it is not cut. In the epoch's
    ``last`` batch a member may have fewer rows; the shares of those that fill it up
    are 0.
    """

    n_rows: int
    inputs: Units
    signs: Tensor
    shares: Tensor
    offsets: Tensor
    logits: Logits
    correction: Tensor
    last: bool
    parts: tuple[Batch, ...] = ()


Slices = Callable[[int], list[tuple[int, int]]]


def whole(n_rows: int) -> list[tuple[int, int]]:
    """Return one slice of all rows."""
    return [(0, n_rows)]


class Piece:
    """Some consecutive batches of an epoch: views of buffers that are reused.

    Parameters
    ----------
    buffers : Buffers
        Where the piece is gathered.
    bounds : list of (start, stop)
        The batches in the epoch.
    slices : callable
        From the rows of a batch to the (start, stop) of its slices.
    last : bool
        Whether the epoch ends with this piece.

    Attributes
    ----------
    batches : list of Batch
        The views of each batch, made once: that takes as long as a small step.
    features : Tensor of shape (n_members or 1, n_rows, n_features + 1)
        The last column is 1.
    signs, offsets : Tensor of shape (n_members, n_rows)
        As in ``Batch``.
    logits : Tensor of shape (n_members, n_rows)
        Written by whoever computes them.
    shares, half_shares, epoch_shares : Tensor of shape (n_members, n_rows)
        Each row's part of its batch's weight, minus half of it, and its part of the
        epoch's weight.
    """

    def __init__(
        self,
        buffers: Buffers,
        bounds: list[tuple[int, int]],
        slices: Slices,
        *,
        last: bool,
    ) -> None:
        self.buffers = buffers
        self.slices = slices
        self.last = last
        begin, n_rows = bounds[0][0], bounds[-1][1] - bounds[0][0]
        self.features = buffers.features[:, :n_rows]
        self.signs, self.offsets, self.logits = buffers.labels[..., :n_rows]
        weights = buffers.new_labels(n_rows)
        self.shares, self.half_shares, self.epoch_shares = weights
        self.corrections = torch.zeros_like(self.shares)[:, : len(bounds)]
        self.written = False  # the shares of members of equal row weights
        self.batches = [
            self._batch(place, start - begin, stop - begin)
            for place, (start, stop) in enumerate(bounds)
        ]

    @property
    def sizes(self) -> list[int]:
        """Rows of every batch."""
        return [batch.n_rows for batch in self.batches]

    def _batch(self, place: int, start: int, stop: int) -> Batch:
        """Return the views of the rows ``start`` to ``stop`` and of their slices."""
        batch = self._rows(place, start, stop)
        slices = self.slices(stop - start)
        if len(slices) == 1:
            return batch
        parts = [
            self._rows(place, start + first, start + last) for first, last in slices
        ]
        return replace(batch, parts=tuple(parts))

    def _rows(self, place: int, start: int, stop: int) -> Batch:
        """Return the views of some rows of the batch at a place."""
        features = self.buffers.features[:, start:stop]
        return Batch(
            stop - start,
            Units(features.expand(len(self.signs), -1, -1)),
            self.signs[:, start:stop],
            self.shares[:, start:stop],
            self.offsets[:, start:stop],
            Logits(self.logits[:, start:stop]),
            self.corrections[:, place, None, None],
            self.last and place == self.corrections.shape[1] - 1,
        )


class Buffers:
    """What the pieces of an epoch are gathered into, one after the other."""

    def __init__(
        self, shape: tuple[int, int, int], n_members: int, like: Tensor
    ) -> None:
        self.n_members = n_members
        self.like = like
        self.features = like.new_ones(shape)
        self.labels = self.new_labels(shape[1])
        self.pieces: dict[tuple[int, int, bool], Piece] = {}

    def new_labels(self, n_rows: int) -> Tensor:
        """Return three tensors of labels.

        One column more than rows is stored: members are never merged into one long
        row, whose vectors would end elsewhere.
        """
        return self.like.new_zeros(3, self.n_members, n_rows + 1)[..., :-1]

    def piece(
        self, bounds: list[tuple[int, int]], slices: Slices, *, last: bool
    ) -> Piece:
        """Return the piece of these batches of the epoch."""
        key = (len(bounds), bounds[-1][1] - bounds[0][0], last)
        if key not in self.pieces:
            self.pieces[key] = Piece(self, bounds, slices, last=last)
        return self.pieces[key]


class EpochReader:
    """Hands out an epoch piece by piece: features, signs and row shares.

    Parameters
    ----------
    row_sets : sequence of RowSet
        The rows of each member; in all batches but the last equally many.
    batches : list of (start, stop)
        From ``batch_starts``, or ``filled_up``.
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
        batches: list[tuple[int, int]],
        like: Tensor,
        slices: Slices = whole,
    ) -> None:
        self.slices = slices
        self.row_sets = list(row_sets)
        self.like = like
        largest = max(stop - start for start, stop in batches)
        n_features = row_sets[0].features.n_features
        piece_batches = max(1, PIECE_ELEMENTS // (n_features + 1) // largest)
        if like.device.type == "cuda":
            piece_batches = 1  # always at one address, see recording.py
        pieces = range(0, len(batches), piece_batches)
        self.pieces = [batches[at : at + piece_batches] for at in pieces]
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

    def _runs(self, orders: list[Tensor]) -> list[tuple[int, int]]:
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
        runs: list[tuple[int, int]],
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
