"""Batches as views of gathered rows, a few batches at a time.

Knows buffers and the views of them; nothing of where rows come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from torch_binary_classifier.training.layers import Units

Bounds = list[tuple[int, int]]  # (start, stop) of rows, one after the other
Slices = Callable[[int], Bounds]  # of a batch of so many rows


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
    logits: Tensor
    correction: Tensor
    last: bool
    parts: tuple[Batch, ...] = ()


def whole(n_rows: int) -> Bounds:
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
        bounds: Bounds,
        slices: Slices,
        *,
        last: bool,
    ) -> None:
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
        features = self.features[:, start:stop]
        return Batch(
            stop - start,
            Units(features.expand(len(self.signs), -1, -1)),
            self.signs[:, start:stop],
            self.shares[:, start:stop],
            self.offsets[:, start:stop],
            self.logits[:, start:stop],
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

    def piece(self, bounds: Bounds, slices: Slices, *, last: bool) -> Piece:
        """Return the piece of these batches of the epoch."""
        key = (len(bounds), bounds[-1][1] - bounds[0][0], last)
        if key not in self.pieces:
            self.pieces[key] = Piece(self, bounds, slices, last=last)
        return self.pieces[key]
