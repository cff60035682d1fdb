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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from torch_binary_classifier.blas_threads import OneBlasThread
from torch_binary_classifier.inference.ensemble import ensemble_logit
from torch_binary_classifier.inference.network_kinds import (
    BLOCK_ROWS,
    FittedNetwork,
    Kind,
    in_kinds,
)
from torch_binary_classifier.inference.tempering import Tempering

__all__ = [
    "BLOCK_ROWS",
    "FittedNetwork",
    "LogitOverflowError",
    "UnscorableError",
    "class_probabilities",
    "member_logits",
    "member_probabilities",
    "network_logits",
]

Array = NDArray[Any]

# Of one layer's values: few enough for a cache, yet so many that threads seldom wait
# for the interpreter's lock, which every operation gives back and takes again. A
# quarter of it takes 1.1 to 1.5 times the processor time on two threads.
CHUNK_BYTES = 2**19
# Multiply-adds of one unit of work, about 0.2 ms: far more than starting a thread.
TASK_WORK = 2**22
TASKS_PER_THREAD = 8  # so that no thread waits long for another one at the end
MAX_THREADS = 8  # more would mostly wait for the interpreter's lock


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
    tempering: Tempering | None = None,
) -> NDArray[np.float64]:
    """Return the logits of the members' mean probabilities, shape (n_rows,), in nats.

    Parameters
    ----------
    features, networks
        As for `member_logits`.
    weights : ndarray of shape (n_members,), optional
        Of the members in the mean, not negative, not all 0; equal by default.
    tempering : Tempering, optional
        What becomes of the mean's logits.

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
        If a member's logit is not, or a tempered one.
    """
    logits = np.empty(features.shape[0], dtype=np.float64)

    def keep(rows: slice, found: NDArray[np.float64]) -> None:
        logits[rows] = _finite_logits(rows, found, weights, tempering)

    networks, weights = _counting(networks, weights)
    _score_chunks(features, networks, keep)
    return logits


def class_probabilities(
    features: Any,
    networks: Sequence[FittedNetwork],
    weights: NDArray[np.float64] | None = None,
    tempering: Tempering | None = None,
) -> NDArray[np.float64]:
    """Return the probabilities of both classes, shape (n_rows, 2).

    Parameters
    ----------
    features, networks, weights, tempering
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
        logits = _finite_logits(rows, found, weights, tempering)
        expit(-logits, out=probabilities[rows, 0])
        expit(logits, out=probabilities[rows, 1])

    networks, weights = _counting(networks, weights)
    _score_chunks(features, networks, keep)
    return probabilities


def member_probabilities(
    features: Any,
    networks: Sequence[FittedNetwork],
    tempering: Tempering | None = None,
) -> NDArray[np.float64]:
    """Return every member's probability of the second class, (n_members, n_rows).

    Parameters
    ----------
    features, networks
        As for `member_logits`.
    tempering : Tempering, optional
        What becomes of each member's logits.

    Returns
    -------
    ndarray of shape (n_members, n_rows)
        A row's probabilities are the same bits whatever other rows are scored with it.

    Raises
    ------
    UnscorableError, LogitOverflowError
        As `network_logits` does.
    """
    probabilities = np.empty((len(networks), features.shape[0]), dtype=np.float64)

    def keep(rows: slice, found: NDArray[np.float64]) -> None:
        _check_finite(rows, found)
        logits = found if tempering is None else tempering.of(found)
        _check_finite(rows, logits)
        probabilities[:, rows] = expit(logits)[:, : rows.stop - rows.start]

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
    rows: slice,
    found: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    tempering: Tempering | None,
) -> NDArray[np.float64]:
    """Return the logits of rows, of their members' padded logits."""
    _check_finite(rows, found)
    logits = ensemble_logit(found, weights)[: rows.stop - rows.start]
    if tempering is None:
        return logits
    tempered = tempering.of(logits)
    _check_finite(rows, tempered[np.newaxis])
    return tempered


def _check_finite(rows: slice, logits: NDArray[np.float64]) -> None:
    """Refuse rows a logit of which is not finite; others are padding."""
    if _are_finite(logits):
        return
    own = logits[:, : rows.stop - rows.start]
    bad = np.flatnonzero(~np.isfinite(own).all(axis=0))
    if len(bad):
        raise LogitOverflowError(rows.start + int(bad[0]))


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
    with np.errstate(over="ignore", invalid="ignore"):
        kinds = in_kinds(networks)
    n_blocks = _blocks_per_chunk(n_rows, kinds)
    work = n_rows * sum(kind.work for kind in kinds)

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


def _blocks_per_chunk(n_rows: int, kinds: Sequence[Kind]) -> int:
    """Return how many blocks to score at once: all rows, or what a cache holds."""
    row_bytes = max(kind.widest * kind.dtype.itemsize for kind in kinds)
    n_blocks = CHUNK_BYTES // (BLOCK_ROWS * row_bytes)
    return max(1, min(math.ceil(n_rows / BLOCK_ROWS), n_blocks))


def _parts(chunks: range, n_parts: int) -> Iterator[range]:
    """Yield the chunks in runs of about the same length, in order."""
    bounds = [len(chunks) * part // n_parts for part in range(n_parts + 1)]
    for start, stop in itertools.pairwise(bounds):
        yield chunks[start:stop]


class _ChunkScorer:
    """One thread's arrays for chunks of ``n_blocks`` blocks, and their use.

    Allocated once for many chunks. Values are (n_blocks, width, BLOCK_ROWS).
    """

    def __init__(self, kinds: Sequence[Kind], n_features: int, n_blocks: int) -> None:
        first = kinds[0].members[0]
        normed = first.input_mean is not None
        shape = (n_blocks, n_features, BLOCK_ROWS)
        self.rows = np.zeros(shape, np.float64 if normed else kinds[0].dtype)
        self.fill, encoding = first.fill, first.encoding
        self.indicated = slice(0) if encoding is None else encoding.indicated
        self.kinds = [kind.scorer(n_blocks) for kind in kinds]

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


def _are_finite(values: Array) -> bool:
    """Return whether all values of a contiguous array are finite.

    A finite sum of squares says so in half the time of looking at each.
    """
    flat = values.reshape(-1)
    return math.isfinite(np.dot(flat, flat)) or bool(np.isfinite(flat).all())
