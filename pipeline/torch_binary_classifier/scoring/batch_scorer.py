"""A fitted classifier as a function of Arrow batches; knows no files and no engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from torch_binary_classifier.exceptions import TableError
from torch_binary_classifier.scoring.expected import expected_columns
from torch_binary_classifier.scoring.file_types import FileColumn
from torch_binary_classifier.scoring.row_scorer import RowScorer, ScoredRows
from torch_binary_classifier.tables.chunk import ROW_COUNT, Chunk
from torch_binary_classifier.wording import listed, shown

__all__ = ["BatchScorer", "scorer"]

SOURCE = "the table"
# How many columns a message names.
N_NAMED = 5
# Of one batch it is not known whether there are gaps in others.
AS_TYPED = FileColumn("typed", has_gaps=True)


def scorer(
    model: Any,
    *,
    threshold: float | None = None,
    logit: bool = False,
    keep: Sequence[str] = (),
) -> BatchScorer:
    """Return a function that scores batches of Arrow, for Spark, Ray and the like.

    Parameters
    ----------
    model : object
        A fitted binary classifier with ``predict_proba``: a Pipeline, a search and so
        on.
    threshold : float or None, default=None
        From which probability on ``classes_[1]`` is predicted, 0 to 1; None leaves it
        to the model's own ``predict``.
    logit : bool, default=False
        Whether to return the logarithms of the odds as well, in nats.
    keep : sequence of str, default=()
        Columns of a batch to return beside the scores.

    Returns
    -------
    BatchScorer
        Called with a batch, it returns one of as many rows, in the same order: the
        columns to keep, ``probability`` (of ``classes_[1]``), ``prediction`` (the
        label) and, if wanted, ``logit``.

    Raises
    ------
    ModelFileError
        If the model is no fitted binary classifier.
    ValueError
        If there can be no such threshold, or a column to keep is named as one of the
        scores, or twice.

    See Also
    --------
    score_table : Score files, with a quarantine for rows that have no score.

    Notes
    -----
    Cells are read as of a Parquet file: columns by their names, in any order, and
    turned into what the model was trained on where they are of another type. A row's
    scores do not depend on the batch that it comes in. A row that cannot be scored is
    an error: an engine of tables has nowhere to put it.

    The function can be pickled. Under Spark, ``frame.mapInArrow(score.batches, ...)``
    calls it; under Ray, ``data.map_batches(score, batch_format="pyarrow")``.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from sklearn.linear_model import LogisticRegression
    >>> from torch_binary_classifier import scorer
    >>> model = LogisticRegression().fit(np.array([[-1.0], [1.0]]), [0, 1])
    >>> score = scorer(model, threshold=0.3, keep=["id"])
    >>> batch = pa.record_batch({"id": ["a", "b"], "x": [0.0, -3.0]})
    >>> score(batch).to_pydict()["prediction"]
    [1, 0]
    >>> score.schema_for(batch.schema).names
    ['id', 'probability', 'prediction']
    """
    return BatchScorer(model, threshold=threshold, logit=logit, keep=keep)


class BatchScorer:
    """What `scorer` returns; its parameters are those of `scorer`."""

    def __init__(
        self,
        model: Any,
        *,
        threshold: float | None,
        logit: bool,
        keep: Sequence[str],
    ) -> None:
        expected = expected_columns(model)
        as_file = dict.fromkeys(expected.columns.of_kind("file"), AS_TYPED)
        self._rows = RowScorer(
            model,
            expected.told(as_file),
            threshold=threshold,
            with_logits=logit,
        )
        scores = ["probability", "prediction", *(["logit"] if logit else [])]
        types = [pa.float64(), self._rows.label_type, pa.float64()]
        self._scores = list(zip(scores, types, strict=False))
        self.keep = tuple(keep)
        _check_kept(self.keep, scores)

    def __call__(self, batch: Any) -> Any:
        """Return the scores of a batch.

        Parameters
        ----------
        batch : pyarrow.RecordBatch or Table
            The rows, or any table that Arrow can take over, such as one of polars.

        Returns
        -------
        pyarrow.RecordBatch
            As many rows.

        Raises
        ------
        TableError
            If a column is missing, or a row cannot be scored.
        """
        table = _as_table(batch)
        schema = self.schema_for(table.schema)
        columns = {
            name: _cells(table.column(place))
            for name, place in self._places(table.schema.names).items()
        }
        scored = self._rows.score(Chunk(SOURCE, 0, table.num_rows, columns, 1.0))
        _check_all_scored(scored)
        found = {
            "probability": scored.probabilities,
            "prediction": scored.predictions,
            "logit": scored.logits,
        }
        kept = [_in_one_piece(table.column(name)) for name in self.keep]
        arrays = [pa.array(found[name], kind) for name, kind in self._scores]
        return pa.record_batch([*kept, *arrays], schema=schema)

    def batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the scores of batches, one after the other.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch or Table
            The rows.

        Yields
        ------
        pyarrow.RecordBatch
            The scores of each.
        """
        return map(self, batches)

    def schema_for(self, schema: Any) -> Any:
        """Return names and types of what comes out.

        Parameters
        ----------
        schema : pyarrow.Schema
            Names and types of the batches that will go in.

        Returns
        -------
        pyarrow.Schema
            Names and types of the scored batches.

        Raises
        ------
        TableError
            If a column that the model takes, or one to keep, is missing or there twice.
        """
        self._places(schema.names)
        kept = [schema.field(name) for name in self.keep]
        return pa.schema([*kept, *[pa.field(*score) for score in self._scores]])

    def _places(self, names: Sequence[str]) -> dict[str, int]:
        """Return where each column of the model stands in a table."""
        wanted = self._rows.names()
        if not self._rows.expected.is_positional:
            _check_columns(names, [*wanted, *self.keep])
            return {name: names.index(name) for name in wanted}
        _check_columns(names, self.keep)
        places = [*range(len(names))]
        if len(names) != len(wanted):
            places = [place for place in places if names[place] not in self.keep]
        if len(places) != len(wanted):
            msg = (
                f"{SOURCE} must have {len(wanted)} columns beside those to keep, as "
                f"the model was trained on so many without names, got {len(places)}."
            )
            raise TableError(msg)
        return dict(zip(wanted, places, strict=True))


def _check_kept(keep: Sequence[str], scores: Sequence[str]) -> None:
    """Refuse columns to keep that would be there twice."""
    wrong = [name for i, name in enumerate(keep) if name in {*scores, *keep[:i]}]
    if wrong:
        msg = (
            f"keep must be columns of other names than {listed(scores)}, each once, "
            f"got {listed(wrong)}."
        )
        raise ValueError(msg)


def _check_columns(names: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse a table that lacks a column or has one twice."""
    wrong = [name for name in dict.fromkeys(wanted) if names.count(name) != 1]
    if wrong:
        msg = (
            f"{SOURCE} must have the columns {listed(wanted, N_NAMED)} once each, got "
            f"{names.count(wrong[0])} named {shown(wrong[0])}."
        )
        raise TableError(msg)


def _check_all_scored(scored: ScoredRows) -> None:
    """Refuse a batch with rows that have no score."""
    if scored.bad:
        first, rest = scored.bad[0], len(scored.bad) - 1
        others = f" The same batch has {rest} more such rows." if rest else ""
        msg = f"{first.message} in row {first.row} of the batch ({ROW_COUNT}).{others}"
        raise TableError(msg)


def _as_table(batch: Any) -> Any:
    """Return a batch as a table of Arrow."""
    if isinstance(batch, pa.RecordBatch):
        return pa.Table.from_batches([batch])
    try:
        return pa.table(batch)
    except (TypeError, ValueError) as error:
        msg = (
            "batch must be a RecordBatch or Table of Arrow, or a table that Arrow "
            f"takes over, got {type(batch).__name__}."
        )
        raise TableError(msg) from error


def _cells(column: Any) -> Any:
    """Return a column in a type that the readers know."""
    cells = _in_one_piece(column)
    if isinstance(cells.type, pa.BaseExtensionType):
        cells = cells.storage
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_string_view(cells.type):
        cells = pc.cast(cells, pa.large_string())
    return cells


def _in_one_piece(column: Any) -> Any:
    """Return the cells of a column in one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])
