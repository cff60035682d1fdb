"""The forward pass of fitted networks in NumPy; knows no torch and no labels.

A row's score does not depend on the rows beside it, nor on the number of threads.
Rows are scored in blocks of BLOCK_ROWS, the last one padded with zeros, so that every
matrix product has one shape whatever it was called with. A block lies with its rows
along the last axis: there they are the lanes of one vector register, which all go
through the same instructions. Laid out the other way, along the first axis, rows at
different places of one product get different roundings from some BLAS kernels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from torch_binary_classifier.blas_threads import OneBlasThread
from torch_binary_classifier.inference.activations import ACTIVATIONS
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.ensemble import ensemble_logit

Array = NDArray[Any]

# One vector tile of the BLAS kernels: 32 and more rows, which gain a fifth, do not
# keep a row's bits in the float32 kernel for AVX2 of OpenBLAS 0.3.31.
BLOCK_ROWS = 16
# Of one layer's values: few enough for a cache, yet so many that threads seldom wait
# for the interpreter's lock, which every operation gives back and takes again. A
# quarter of it takes 1.1 to 1.5 times the processor time on two threads.
CHUNK_BYTES = 2**19
# Multiply-adds of one unit of work, about 0.2 ms: far more than starting a thread.
TASK_WORK = 2**22
TASKS_PER_THREAD = 8  # so that no thread waits long for another one at the end
MAX_THREADS = 8  # more would mostly wait for the interpreter's lock


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


class UnscorableError(ValueError):
    """A row cannot be scored in the network's precision; ``column`` says where."""

    def __init__(self, row: int, column: int) -> None:
        self.row = row
        self.column = column
        super().__init__(f"row {row}, column {column} is beyond float32")


class LogitOverflowError(ValueError):
    """The network's precision cannot represent the logit of ``row``."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__(f"the logit of row {row} overflows")


def member_logits(
    features: Any, networks: Sequence[FittedNetwork]
) -> NDArray[np.float64]:
    """Return every member's logits, shape (n_members, n_rows), in nats.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
        Made dense a chunk at a time where sparse.
    networks : sequence of FittedNetwork
        The members, in one precision, all or none with an ``input_mean``. A run of
        members of the same shapes, activation and encoding object is the faster for it.

    Returns
    -------
    ndarray of shape (n_members, n_rows)
        A row's logits are the same bits whatever other rows are scored with it.

    Raises
    ------
    UnscorableError
        If a value is not finite in the network's precision, but for gaps that are
        indicated or filled.
    """
    logits = np.empty((len(networks), features.shape[0]), dtype=np.float64)

    def keep(rows: slice, found: NDArray[np.float64]) -> None:
        logits[:, rows] = found[:, : rows.stop - rows.start]

    _score_chunks(features, networks, keep)
    return logits


def network_logits(
    features: Any,
    networks: Sequence[FittedNetwork],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the logits of the members' mean probabilities, shape (n_rows,), in nats.

    Parameters
    ----------
    features, networks
        As for `member_logits`.
    weights : ndarray of shape (n_members,), optional
        Of the members in the mean, not negative, not all 0; equal by default.

    Returns
    -------
    ndarray of shape (n_rows,)
        A row's logit is the same bits whatever other rows are scored with it.

    Raises
    ------
    UnscorableError
        If a value is not finite in the network's precision, but for gaps that are
        indicated or filled.
    LogitOverflowError
        If a member's logit is not.
    """
    logits = np.empty(features.shape[0], dtype=np.float64)

    def keep(rows: slice, found: NDArray[np.float64]) -> None:
        logits[rows] = _finite_logits(rows, found, weights)

    networks, weights = _counting(networks, weights)
    _score_chunks(features, networks, keep)
    return logits


def class_probabilities(
    features: Any,
    networks: Sequence[FittedNetwork],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the probabilities of both classes, shape (n_rows, 2).

    Parameters
    ----------
    features, networks, weights
        As for `network_logits`.

    Returns
    -------
    ndarray of shape (n_rows, 2)
        Sigmoids of minus the logit and of the logit: a small probability keeps its
        digits in either column.

    Raises
    ------
    UnscorableError, LogitOverflowError
        As `network_logits` does.
    """
    probabilities = np.empty((features.shape[0], 2), dtype=np.float64)

    def keep(rows: slice, found: NDArray[np.float64]) -> None:
        logits = _finite_logits(rows, found, weights)
        expit(-logits, out=probabilities[rows, 0])
        expit(logits, out=probabilities[rows, 1])

    networks, weights = _counting(networks, weights)
    _score_chunks(features, networks, keep)
    return probabilities


def _counting(
    networks: Sequence[FittedNetwork], weights: NDArray[np.float64] | None
) -> tuple[Sequence[FittedNetwork], NDArray[np.float64] | None]:
    """Return the members whose weight is not 0: the others need not be scored."""
    if weights is None:
        return networks, None
    kept = weights > 0
    return list(itertools.compress(networks, kept)), weights[kept]


def _finite_logits(
    rows: slice, found: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the logits of rows, of their members' padded logits."""
    n_rows = rows.stop - rows.start
    if not _are_finite(found):
        bad = np.flatnonzero(~np.isfinite(found[:, :n_rows]).all(axis=0))
        if len(bad):
            raise LogitOverflowError(rows.start + int(bad[0]))
    return ensemble_logit(found, weights)[:n_rows]


def _score_chunks(
    features: Any,
    networks: Sequence[FittedNetwork],
    keep: Callable[[slice, NDArray[np.float64]], None],
) -> None:
    """Hand every chunk's rows and logits, padded with those of zeros, to ``keep``.

    Chunks are independent, so that they run on as many threads of Python as BLAS was
    allowed: unlike the threads of one product these wait for each other only at the
    end.
    """
    n_rows, n_features = features.shape
    kinds = [list(run) for _, run in itertools.groupby(networks, _kind)]
    n_blocks = min(_blocks_per_chunk(n_rows, kind[0]) for kind in kinds)
    sizes = [len(kind) * sum(coef.size for coef in kind[0].coefs) for kind in kinds]
    work = n_rows * sum(sizes)

    def score(part: range) -> None:
        with OneBlasThread(), np.errstate(over="ignore", invalid="ignore"):
            scorer = _ChunkScorer(kinds, n_features, n_blocks)
            for start in part:
                rows = slice(start, min(start + n_blocks * BLOCK_ROWS, n_rows))
                needed = math.ceil((rows.stop - start) / BLOCK_ROWS)
                if needed < n_blocks:
                    scorer = _ChunkScorer(kinds, n_features, needed)
                keep(rows, scorer.logits(features, rows))

    chunks = range(0, n_rows, n_blocks * BLOCK_ROWS)
    n_tasks = min(len(chunks), work // TASK_WORK)
    if n_tasks < 2:
        score(chunks)
        return
    with OneBlasThread() as allowed:
        n_threads = min(allowed, MAX_THREADS, n_tasks)
        if n_threads == 1:
            score(chunks)
            return
        parts = _parts(chunks, min(n_tasks, n_threads * TASKS_PER_THREAD))
        with ThreadPoolExecutor(n_threads) as pool:
            running = [pool.submit(copy_context().run, score, part) for part in parts]
            try:
                for task in running:
                    task.result()
            finally:
                pool.shutdown(cancel_futures=True)


def _kind(network: FittedNetwork) -> Hashable:
    """Return what members that share their arrays have in common."""
    shapes = tuple(coef.shape for coef in network.coefs)
    return shapes, network.activation, id(network.encoding)


def _blocks_per_chunk(n_rows: int, network: FittedNetwork) -> int:
    """Return how many blocks to score at once: all rows, or what a cache holds."""
    widest = max(len(coef) for coef in network.coefs)
    block_bytes = BLOCK_ROWS * widest * network.coefs[0].itemsize
    return max(1, min(math.ceil(n_rows / BLOCK_ROWS), CHUNK_BYTES // block_bytes))


def _parts(chunks: range, n_parts: int) -> Iterator[range]:
    """Yield the chunks in runs of about the same length, in order."""
    bounds = [len(chunks) * part // n_parts for part in range(n_parts + 1)]
    for start, stop in itertools.pairwise(bounds):
        yield chunks[start:stop]


class _ChunkScorer:
    """One thread's arrays for chunks of ``n_blocks`` blocks, and their use.

    Allocated once for many chunks. Values are (n_blocks, width, BLOCK_ROWS).
    """

    def __init__(
        self, kinds: Sequence[Sequence[FittedNetwork]], n_features: int, n_blocks: int
    ) -> None:
        first = kinds[0][0]
        dtype = first.coefs[0].dtype
        normed = first.input_mean is not None
        shape = (n_blocks, n_features, BLOCK_ROWS)
        self.rows = np.zeros(shape, np.float64 if normed else dtype)
        self.fill = first.fill
        encoding = first.encoding
        self.indicated = slice(0) if encoding is None else encoding.indicated
        self.kinds = [_KindScorer(kind, n_blocks) for kind in kinds]

    def logits(self, features: Any, rows: slice) -> NDArray[np.float64]:
        """Return the members' logits of one chunk, padded to whole blocks."""
        self._take(features, rows)
        n_members = sum(len(kind.members) for kind in self.kinds)
        logits = np.empty((n_members, len(self.rows), BLOCK_ROWS))
        start = 0
        for kind in self.kinds:
            stop = start + len(kind.members)
            kind.write_logits(self.rows, logits[start:stop])
            start = stop
        return logits.reshape(n_members, -1)

    def _take(self, features: Any, rows: slice) -> None:
        """Copy rows into the blocks in their precision; refuse nan and inf."""
        n_rows, n_features = rows.stop - rows.start, features.shape[1]
        given: Any = features if n_rows == features.shape[0] else features[rows]
        if not isinstance(given, np.ndarray):
            given = given.toarray()
        whole, rest = divmod(n_rows, BLOCK_ROWS)
        if whole:
            by_row = given[: n_rows - rest].reshape(whole, BLOCK_ROWS, n_features)
            self.rows[:whole] = by_row.transpose(0, 2, 1)
        if rest:
            self.rows[whole, :, :rest] = given[n_rows - rest :].T
            self.rows[whole, :, rest:] = 0
        if not _are_finite(self.rows):
            self._take_gaps(rows.start)

    def _take_gaps(self, start: int) -> None:
        """Fill gaps that are not indicated, if so wanted; refuse what is left."""
        gaps, left = np.isnan(self.rows), ~np.isfinite(self.rows)
        left[:, self.indicated] &= ~gaps[:, self.indicated]
        if self.fill is not None:
            gaps &= left
            fill = self.fill.astype(self.rows.dtype)
            np.copyto(self.rows, fill[:, np.newaxis], where=gaps)
            left &= ~gaps
        if left.any():
            by_row = left.transpose(0, 2, 1).reshape(-1, left.shape[1])
            row, column = np.argwhere(by_row)[0]
            raise UnscorableError(start + int(row), int(column))


class _KindScorer:
    """The members of one kind, and the arrays that they share."""

    def __init__(self, kind: Sequence[FittedNetwork], n_blocks: int) -> None:
        coefs, given = kind[0].coefs, kind[0].encoding
        n_tiles = n_blocks if len(kind) == 1 else 1  # or many members fill memory
        self.members = [_TiledNetwork(network, n_tiles) for network in kind]
        self.encoding = given and given.cast(coefs[0].dtype)
        self.inputs: Array | None = None
        if self.encoding is not None:
            shape = (n_blocks, self.encoding.n_inputs, BLOCK_ROWS)
            self.inputs = np.empty(shape, coefs[0].dtype)
        self.layers = []
        for coef in coefs[:-1]:
            layer = np.empty((n_blocks, coef.shape[1], BLOCK_ROWS), coef.dtype)
            self.layers.append((layer, np.zeros(layer.shape, coef.dtype)))

    def write_logits(self, rows: Array, logits: Array) -> None:
        """Write the logits of blocks, (n_members, n_blocks, BLOCK_ROWS)."""
        if self.encoding is not None:
            rows = self.encoding.encode(rows, self.inputs)
        for network, own in zip(self.members, logits, strict=True):
            network.write_logits(rows, self.layers, own)


def _are_finite(values: Array) -> bool:
    """Return whether all values of a contiguous array are finite.

    A finite sum of squares says so in half the time of looking at each.
    """
    flat = values.reshape(-1)
    return math.isfinite(np.dot(flat, flat)) or bool(np.isfinite(flat).all())


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
