"""Members of one kind: what they share, and their passes through blocks of rows.

Knows no table: rows come in blocks, as ``forward`` describes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.blas_threads import OneBlasThread
from torch_binary_classifier.inference.activations import (
    ACTIVATIONS,
)
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.piecewise import (
    PiecewiseLayer,
    PiecewiseTables,
    has_many_bins,
    tables_of,
)

Array = NDArray[Any]

# One vector tile of the BLAS kernels: 32 and more rows, which gain a fifth, do not
# keep a row's bits in the float32 kernel for AVX2 of OpenBLAS 0.3.31.
BLOCK_ROWS = 16


@dataclass(frozen=True)
class FittedNetwork:
    """One member's weights.

    Parameters
    ----------
    coefs : sequence of ndarray of shape (in, out)
    intercepts : sequence of ndarray of shape (out,)
    activation : str
        A key of ``ACTIVATIONS``.
    input_mean, input_deviation : ndarray of shape (n_features,) or None
        What a normalisation in front subtracts and divides by, in float64: the
        network's precision may not tell the inputs from each other.
    encoding : Encoding or None
        What the network sees of the columns; the same columns are indicated for all
        members.
    fill : ndarray of shape (n_features,) or None
        What stands for a gap (nan) of a column that is not indicated; None to refuse
        it. The same for all members.
    """

    coefs: Sequence[Array]
    intercepts: Sequence[Array]
    activation: str
    input_mean: Array | None = None
    input_deviation: Array | None = None
    encoding: Encoding | None = None
    fill: Array | None = None


class Kind:
    """Members of the same shapes, activation and encoding; many threads may share it.

    Parameters
    ----------
    members : sequence of FittedNetwork
    """

    def __init__(self, members: Sequence[FittedNetwork]) -> None:
        first = members[0]
        self.members = members
        self.dtype = first.coefs[0].dtype
        self.encoding = first.encoding and first.encoding.cast(self.dtype)
        self.tables: PiecewiseTables | None = None
        hidden = [coef.shape[1] for coef in first.coefs[:-1]]
        self.hidden_sizes = hidden
        self.widest = max(len(coef) for coef in first.coefs)
        if first.encoding is not None and hidden and has_many_bins(first.encoding):
            layers = [(member.coefs[0], member.intercepts[0]) for member in members]
            with OneBlasThread():  # the bits must not depend on the number
                self.tables = tables_of(first.encoding, layers)
            self.widest = max(self.tables.n_units, *hidden)

    @property
    def work(self) -> int:
        """Multiply-adds for a row."""
        return len(self.members) * sum(coef.size for coef in self.members[0].coefs)

    def scorer(self, n_blocks: int) -> KindScorer | _PiecewiseScorer:
        """Return the arrays that one thread needs for blocks of rows."""
        if self.tables is None:
            return KindScorer(self, n_blocks)
        return _PiecewiseScorer(self, self.tables, n_blocks)


def in_kinds(networks: Sequence[FittedNetwork]) -> list[Kind]:
    """Return the networks as runs of one kind."""

    def in_common(network: FittedNetwork) -> Hashable:
        shapes = tuple(coef.shape for coef in network.coefs)
        return shapes, network.activation, id(network.encoding)

    return [Kind(list(run)) for _, run in itertools.groupby(networks, in_common)]


class KindScorer:
    """One thread's arrays for ``n_blocks`` blocks of one kind, and their use."""

    def __init__(self, kind: Kind, n_blocks: int) -> None:
        n_tiles = n_blocks if len(kind.members) == 1 else 1  # or many fill memory
        self.members = [_TiledNetwork(network, n_tiles) for network in kind.members]
        self.layers = _layers(kind, n_blocks)
        self.encoding = kind.encoding
        self.inputs: Array | None = None
        if self.encoding is not None:
            shape = (n_blocks, self.encoding.n_inputs, BLOCK_ROWS)
            self.inputs = np.empty(shape, kind.dtype)

    def write_logits(self, rows: Array, logits: Array) -> None:
        """Write the logits of blocks, (n_members, n_blocks, BLOCK_ROWS)."""
        if self.encoding is not None:
            rows = self.encoding.encode(rows, self.inputs)
        for network, own in zip(self.members, logits, strict=True):
            network.write_logits(rows, self.layers, own)


class _PiecewiseScorer:
    """The same for members whose first layers come from tables, all at once."""

    def __init__(self, kind: Kind, tables: PiecewiseTables, n_blocks: int) -> None:
        self.first = PiecewiseLayer(tables, n_blocks * BLOCK_ROWS)
        self.activate = ACTIVATIONS[kind.members[0].activation]
        self.layers = _layers(kind, n_blocks)
        self.members = [
            _TiledNetwork(
                replace(
                    network,
                    coefs=network.coefs[1:],
                    intercepts=network.intercepts[1:],
                ),
                n_tiles=1,
            )
            for network in kind.members
        ]

    def write_logits(self, rows: Array, logits: Array) -> None:
        """Write the logits of blocks, (n_members, n_blocks, BLOCK_ROWS)."""
        layer, zeros = self.layers[0]
        n_blocks, n_units, _ = layer.shape
        sums = self.first.sums(rows)
        by_member = sums.reshape(n_blocks, BLOCK_ROWS, -1, n_units)
        for member, network in enumerate(self.members):
            layer[...] = by_member[:, :, member].transpose(0, 2, 1)
            values = self.activate(layer, zeros)
            network.write_logits(values, self.layers[1:], logits[member])


def _layers(kind: Kind, n_blocks: int) -> list[tuple[Array, Array]]:
    """Return arrays for the values of each hidden layer, and zeros beside them."""
    shapes = [(n_blocks, size, BLOCK_ROWS) for size in kind.hidden_sizes]
    return [
        (np.empty(shape, kind.dtype), np.zeros(shape, kind.dtype)) for shape in shapes
    ]


class _TiledNetwork:
    """A member's weights, its vectors repeated to the shape of ``n_tiles`` blocks.

    An addition of equal shapes takes half the time of one that broadcasts.
    """

    def __init__(self, network: FittedNetwork, n_tiles: int) -> None:
        self.activate = ACTIVATIONS[network.activation]
        self.dtype = network.coefs[0].dtype
        self.hidden = [
            (coef.T, _tiled(bias, n_tiles))
            for coef, bias in zip(
                network.coefs[:-1], network.intercepts[:-1], strict=True
            )
        ]
        self.last_coef = network.coefs[-1][:, 0]
        self.last_bias = network.intercepts[-1][0]
        self.mean, self.deviation = None, None
        if network.input_mean is not None and network.input_deviation is not None:
            self.mean = _tiled(network.input_mean, n_tiles)
            self.deviation = _tiled(network.input_deviation, n_tiles)

    def write_logits(
        self, rows: Array, layers: Sequence[tuple[Array, Array]], logits: Array
    ) -> None:
        """Write the logits of blocks, (n_blocks, BLOCK_ROWS); overwrite the layers."""
        values = rows
        if self.mean is not None and self.deviation is not None:
            values = ((rows - self.mean) / self.deviation).astype(self.dtype)
        for (coef, bias), (layer, zeros) in zip(self.hidden, layers, strict=True):
            np.matmul(coef, values, out=layer)
            np.add(layer, bias, out=layer)
            values = self.activate(layer, zeros)
        np.add(np.matmul(self.last_coef, values), self.last_bias, out=logits)


def _tiled(vector: Array, n_tiles: int) -> Array:
    """Return (n_tiles, width, BLOCK_ROWS) with the vector along the middle axis."""
    tiles = np.empty((n_tiles, len(vector), BLOCK_ROWS), vector.dtype)
    tiles[...] = vector[:, np.newaxis]
    return tiles
