"""Chunks of rows in, scores and the rows that have none out; knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring.bad_cells import (
    CATEGORY,
    BadCells,
    bad_cells,
    bad_rows,
    cells_of,
    truth_words,
)
from torch_binary_classifier.scoring.counts import ColumnCounts, merged_counts
from torch_binary_classifier.scoring.expected import Expected
from torch_binary_classifier.scoring.predicting import Predictor, Scores
from torch_binary_classifier.scoring.refusals import REFUSALS, refused_rows
from torch_binary_classifier.scoring.rows import Blocks, Rows, read_rows
from torch_binary_classifier.scoring.training_types import is_whole
from torch_binary_classifier.scoring.type_check import check_types
from torch_binary_classifier.tables.bad_rows import BadRow
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.wording import one_line

__all__ = ["RowScorer", "ScoredRows"]

# The fixed cost of scikit-learn's steps, some 1.5 ms, counts in slices that are much
# shorter; longer ones leave the cache: with 20 columns they take 0.02 us more a row.
SLICE_ROWS = 2**15
SLICE_CELLS = 2**20


@dataclass(frozen=True)
class ScoredRows:
    """The scores of a chunk.

    Attributes
    ----------
    chunk : Chunk
        The rows that were scored; those that cannot be are taken out.
    probabilities : ndarray of shape (n_rows,)
        Of ``classes_[1]``.
    logits : ndarray of shape (n_rows,) or None
        Logarithms of the odds, in nats, if they are wanted.
    predictions : ndarray of shape (n_rows,)
        Labels.
    bad : list of BadRow
        The rows that were taken out, in order.
    counts : dict of str to ColumnCounts
        What each column that is read holds, in the rows that were scored.
    """

    chunk: Chunk
    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64] | None
    predictions: NDArray[Any]
    bad: list[BadRow]
    counts: dict[str, ColumnCounts]


class RowScorer:
    """A fitted classifier that scores chunks of rows, but for those that it cannot.

    Parameters
    ----------
    estimator : object
        A fitted binary classifier.
    expected : Expected
        What it expects of a table.
    threshold : float or None, default=None
        From which probability on ``classes_[1]`` is predicted, 0 to 1; None leaves it
        to the classifier's own ``predict``.
    unseen : {"warn", "ignore", "fail"}, default="warn"
        What to do with a category that training never saw: count it, or take the row
        for one that cannot be scored if "fail".
    types : {"coerce", "strict"}, default="coerce"
        Whether cells of another type than in training are turned into that where it
        can be, or refused.
    with_logits : bool, default=False
        Whether logits are wanted.

    Raises
    ------
    ValueError
        If an option is none of these, or ``expected`` does not say what the file
        holds in a column of which the model cannot tell.

    Notes
    -----
    What is said of a row does not depend on the rows beside it, as far as the model's
    own ``predict_proba`` does not. Of a row with several bad cells the first column
    counts; a cell that is not what its column holds goes before unseen categories,
    these before what the model refuses.

    A scorer can be pickled, and many threads may use one at once.
    """

    def __init__(
        self,
        estimator: Any,
        expected: Expected,
        *,
        threshold: float | None = None,
        unseen: Literal["warn", "ignore", "fail"] = "warn",
        types: Literal["coerce", "strict"] = "coerce",
        with_logits: bool = False,
    ) -> None:
        _check_option("unseen", unseen, ("warn", "ignore", "fail"))
        _check_option("types", types, ("coerce", "strict"))
        _check_known(expected)
        self.expected = expected
        self.predictor = Predictor(
            estimator, threshold=threshold, with_logits=with_logits
        )
        self.unseen = unseen
        self.is_strict = types == "strict"
        self.blocks = Blocks()
        self.most_refused: int | None = None

    def limited(self, most_refused: int | None) -> RowScorer:
        """Return the same scorer, which gives up where the model refuses more rows.

        Parameters
        ----------
        most_refused : int or None
            How many rows of a slice it may refuse; None for any number.

        Returns
        -------
        RowScorer
            A copy, whose `score` raises TooManyBadRowsError.
        """
        other = copy(self)
        other.most_refused = most_refused
        return other

    def names(self) -> tuple[str, ...]:
        """Return the columns to read."""
        return self.expected.columns.names

    @property
    def label_type(self) -> Any:
        """Return the type of Arrow that the predicted labels have."""
        return pa.array(self.predictor.classes).type

    @property
    def types(self) -> dict[str, Any]:
        """Return the columns of which a CSV file may be read as numbers at once."""
        return {
            column.name: pa.int64() if _was_int64(column) else pa.float64()
            for column in self.expected.columns.columns
            if column.kind == "number"
            and column.vocabulary is None
            and not (_was_whole(column) and not _was_int64(column))
        }

    def check_types(self, types: Mapping[str, Any], source: str = "the table") -> None:
        """Refuse a table of other types than training had, if types are strict.

        Parameters
        ----------
        types : mapping of str to pyarrow.DataType or None
            The types of the columns of `names`; None where the table does not tell
            them, as in a CSV file.
        source : str, default="the table"
            What the message calls the table.

        Raises
        ------
        TableError
            If a column is of another kind.
        """
        if self.is_strict:
            check_types(self.expected.columns, types, source)

    def score(self, chunk: Chunk) -> ScoredRows:
        """Return the scores of some rows.

        Parameters
        ----------
        chunk : Chunk
            The rows, with the columns of `names`.

        Returns
        -------
        ScoredRows
            Scores of all rows but the bad ones.

        Raises
        ------
        TableError
            If a column as a whole is of a type that cannot be what the model needs,
            or the model refuses rows together of which it refuses none alone.
        """
        return _joined(
            chunk, [self._slice(part) for part in _slices(chunk, self.expected)]
        )

    def _slice(self, chunk: Chunk) -> ScoredRows:
        """Return the scores of some rows at once."""
        bad: dict[int, BadRow] = {}
        good, rows = self._read(chunk, bad)
        if self.unseen == "fail" and rows.unseen:
            good, rows = self._without(
                good, bad_rows(good, _unseen_cells(good, rows)), bad
            )
        good, rows, scores = self._scored(good, rows, bad)
        in_order = [bad[row] for row in sorted(bad)]
        return ScoredRows(
            good,
            scores.probabilities,
            scores.logits,
            scores.predictions,
            in_order,
            dict(rows.counts),
        )

    def _read(self, chunk: Chunk, bad: dict[int, BadRow]) -> tuple[Chunk, Rows]:
        """Return the rows that can be read, and add the others to the bad ones."""
        found = bad_rows(chunk, self._words_for_numbers(chunk))
        if found:
            found = bad_rows(chunk, self._bad_cells(chunk))
        try:
            return self._without(chunk, found, bad)
        except TableError:
            found = bad_rows(chunk, self._bad_cells(chunk))
            if not found:
                raise
        return self._without(chunk, found, bad)

    def _words_for_numbers(self, chunk: Chunk) -> Iterator[BadCells]:
        """Yield the truth values among numbers that no reader refuses, if strict."""
        for column in self.expected.columns.columns if self.is_strict else ():
            yield from truth_words(chunk, column)

    def _bad_cells(self, chunk: Chunk) -> Iterator[BadCells]:
        """Yield the cells for which the readers refuse the chunk."""
        for column in self.expected.columns.columns:
            if self.is_strict:
                yield from truth_words(chunk, column)
            as_file = self.expected.as_file.get(column.name)
            yield from bad_cells(chunk, column, as_file)

    def _without(
        self, chunk: Chunk, found: Mapping[int, BadRow], bad: dict[int, BadRow]
    ) -> tuple[Chunk, Rows]:
        """Return the rows but some, and add these to the bad ones."""
        if not found:
            return chunk, read_rows(chunk, self.expected, self.blocks)
        bad.update((row.row, row) for row in found.values())
        is_good = np.ones(chunk.n_rows, dtype=bool)
        is_good[[*found]] = False
        good = chunk.taken(is_good)
        return good, read_rows(good, self.expected, self.blocks)

    def _scored(
        self, chunk: Chunk, rows: Rows, bad: dict[int, BadRow]
    ) -> tuple[Chunk, Rows, Scores]:
        """Return the rows that the model scores, and their scores."""
        try:
            scores = self._predicted(rows, chunk.n_rows)
        except REFUSALS:
            # Texts that a step reads as dates, no reader has looked at.
            found = bad_rows(chunk, self._bad_cells(chunk))
            chunk, rows = self._without(chunk, found, bad)
            found = refused_rows(chunk, rows, self.predictor.scores, self.most_refused)
            chunk, rows = self._without(chunk, found, bad)
            scores = self._predicted_together(chunk, rows)
        is_finite = np.isfinite(scores.probabilities)
        if not is_finite.all():
            found = _not_finite(chunk, scores.probabilities, ~is_finite)
            chunk, rows = self._without(chunk, found, bad)
            scores = _chosen(scores, is_finite)
        return chunk, rows, scores

    def _predicted_together(self, chunk: Chunk, rows: Rows) -> Scores:
        """Return the scores of rows none of which the model refuses alone."""
        try:
            return self._predicted(rows, chunk.n_rows)
        except REFUSALS as error:
            words = one_line(error).rstrip(".")
            msg = (
                f"{chunk.source} must fit the model, which refuses rows together that "
                f"it takes alone, got: {words}."
            )
            raise TableError(msg) from error

    def _predicted(self, rows: Rows, n_rows: int) -> Scores:
        """Return what the model says of rows."""
        classes = self.predictor.classes
        logits = np.empty(n_rows) if self.predictor.with_logits else None
        scores = Scores(np.empty(n_rows), logits, np.empty(n_rows, classes.dtype))
        if n_rows == 0:
            return scores
        for places, X in rows.inputs():
            found = self.predictor.scores(X)
            if isinstance(places, slice):
                return found
            scores.probabilities[places] = found.probabilities
            scores.predictions[places] = found.predictions
            if logits is not None:
                logits[places] = found.logits
        return scores


def _slices(chunk: Chunk, expected: Expected) -> Iterator[Chunk]:
    """Yield the rows in runs that are scored at once; one run if there are none."""
    width = max(1, len(expected.columns.columns))
    n_rows = max(1, min(SLICE_ROWS, SLICE_CELLS // width))
    if chunk.n_rows <= n_rows:
        yield chunk
        return
    for start in range(0, chunk.n_rows, n_rows):
        yield chunk.taken(slice(start, start + n_rows))


def _check_option(name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse an option that there is not."""
    if value not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}, got {value!r}."
        raise ValueError(msg)


def _check_known(expected: Expected) -> None:
    """Refuse columns of which neither the model nor a file tells what they hold."""
    names = expected.columns.of_kind("file")
    unknown = [name for name in names if name not in expected.as_file]
    if unknown:
        msg = (
            "expected must say what the file holds in the columns of which the model "
            f"cannot tell, got nothing of {unknown[0]!r}."
        )
        raise ValueError(msg)


def _was_whole(column: Any) -> bool:
    """Return whether a column had whole numbers in training."""
    return column.schema is not None and is_whole(column.schema)


def _was_int64(column: Any) -> bool:
    """Return whether a column had whole numbers that fit into 64 bits with a sign."""
    return _was_whole(column) and column.dtype != "uint64"


def _unseen_cells(chunk: Chunk, rows: Rows) -> Iterator[BadCells]:
    """Yield the cells with categories never seen in training."""
    for name, is_unseen in rows.unseen.items():
        yield cells_of(chunk, name, is_unseen, "unseen", CATEGORY)


def _not_finite(
    chunk: Chunk, probabilities: NDArray[np.float64], is_bad: NDArray[np.bool_]
) -> dict[int, BadRow]:
    """Return the rows whose scores are no numbers."""
    return {
        position: BadRow(
            chunk.row(position),
            "non-finite",
            "the model must give a finite probability, got "
            f"{float(probabilities[position])!r}",
        )
        for position in np.flatnonzero(is_bad).tolist()
    }


def _chosen(scores: Scores, is_chosen: NDArray[np.bool_]) -> Scores:
    """Return the scores of some rows."""
    logits = scores.logits
    return Scores(
        scores.probabilities[is_chosen],
        None if logits is None else logits[is_chosen],
        scores.predictions[is_chosen],
    )


def _joined(chunk: Chunk, parts: Sequence[ScoredRows]) -> ScoredRows:
    """Return the scores of the slices of a chunk as one."""
    if len(parts) == 1:
        return parts[0]
    logits = [part.logits for part in parts if part.logits is not None]
    bad = [row for part in parts for row in part.bad]
    return ScoredRows(
        _together([part.chunk for part in parts]) if bad else chunk,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate(logits) if logits else None,
        np.concatenate([part.predictions for part in parts]),
        bad,
        merged_counts(part.counts for part in parts),
    )


def _together(chunks: Sequence[Chunk]) -> Chunk:
    """Return the rows of several chunks as one."""
    columns = {
        name: pa.concat_arrays([chunk.columns[name] for chunk in chunks])
        for name in chunks[0].columns
    }
    rows = np.concatenate([chunk.all_rows for chunk in chunks])
    return replace(chunks[0], n_rows=len(rows), columns=columns, rows=rows)
