"""One part of a job, from its rows to its files; knows no other part."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from torch_binary_classifier.jobs.place import OutputPlace
from torch_binary_classifier.jobs.record import HashedFile, PartRecord, write_json
from torch_binary_classifier.persistence.replacement import written_file
from torch_binary_classifier.scoring.counts import ColumnCounts, merged_counts
from torch_binary_classifier.scoring.row_scorer import RowScorer, ScoredRows
from torch_binary_classifier.tables.bad_rows import BadRow, TooManyBadRowsError
from torch_binary_classifier.tables.chunk import Chunk
from torch_binary_classifier.tables.table import Part
from torch_binary_classifier.tables.writing import open_writer

__all__ = ["ROW", "PartScorer", "PartTask", "RejectedPart"]

ROW = "_row"


@dataclass(frozen=True)
class PartTask:
    """A part that is to be scored.

    Attributes
    ----------
    number : int
        Its position among all parts, counted from 0.
    source : str
        The file that it is of, as the user named it.
    part : Part
        Its rows.
    columns : mapping of str to str
        The file's name of each column that the model takes.
    """

    number: int
    source: str
    part: Part
    columns: Mapping[str, str]


@dataclass(frozen=True)
class RejectedPart:
    """A part that was not written, because too many of its records were rejected.

    Attributes
    ----------
    number : int
        Its position among all parts.
    n_rejected : int
        How many were.
    first : dict
        The first of them, as the file of rejected records would have it.
    """

    number: int
    n_rejected: int
    first: dict[str, Any]


@dataclass(frozen=True)
class PartScorer:
    """Scores parts and writes their files; can be sent to other processes.

    Attributes
    ----------
    place : OutputPlace
        Where the files go.
    scorer : RowScorer
        Scores rows.
    keep : tuple of str
        Columns of the input that the output has as well.
    schema : pyarrow.Schema
        Names and types of the output's columns.
    limit : int or None, default=None
        How many rejected records a part may have and be written; None for any number.
    """

    place: OutputPlace
    scorer: RowScorer
    keep: tuple[str, ...]
    schema: Any
    limit: int | None = None

    def __call__(self, task: PartTask) -> PartRecord | RejectedPart:
        """Score a part, write its scores, its rejected records and its record.

        Parameters
        ----------
        task : PartTask
            The part.

        Returns
        -------
        PartRecord or RejectedPart
            What was done. A part that was done before is written anew, to the same
            bytes.

        Raises
        ------
        TableError
            If the part cannot be read.
        OutputError
            If a file cannot be written.
        """
        found = _Found(task)
        rejects = _Rejects(found)
        path = self.place.part(task.number)
        try:
            with written_file(path, self.place.out) as file:
                hashed = HashedFile(file)
                suffix = self.place.part_suffix
                with open_writer(
                    hashed, suffix, self.schema, ascending=(ROW,)
                ) as writer:
                    for rows in self._scored(task, found):
                        writer.write(rows)
                        self._check_limit(found)
        except TooManyBadRowsError as error:
            found.bad += error.bad
            first = rejects.plain(found.bad[0])
            return RejectedPart(task.number, len(found.bad), first)
        record = PartRecord(
            task.number,
            task.source,
            task.part.first_row,
            task.part.n_rows,
            len(found.bad),
            task.part.digest,
            hashed.digest,
            rejects.write(self.place),
            hashed.n_bytes,
            dict(Counter(bad.kind for bad in found.bad)),
            found.counts,
        )
        write_json(
            self.place.part_record(task.number), record.to_dict(), self.place.out
        )
        return record

    def _scored(self, task: PartTask, found: _Found) -> Iterator[Any]:
        """Yield the output rows of a part, chunk by chunk."""
        names = dict.fromkeys([*task.columns.values(), *self.keep])
        types = {
            task.columns[name]: kind
            for name, kind in self.scorer.types.items()
            if task.columns[name] not in self.keep
        }
        scorer = self.scorer.limited(self.limit)
        for chunk, bad in task.part.read(list(names), types):
            scored = scorer.score(self._named(chunk, task))
            found.add(bad, scored)
            yield self._rows(scored, task)

    def _named(self, chunk: Chunk, task: PartTask) -> Chunk:
        """Return a chunk with the model's names, and the columns to keep beside."""
        cells = {name: chunk.columns[own] for name, own in task.columns.items()}
        cells |= {_kept(i): chunk.columns[own] for i, own in enumerate(self.keep)}
        return replace(chunk, columns=cells)

    def _rows(self, scored: ScoredRows, task: PartTask) -> Any:
        """Return the output rows of a chunk."""
        chunk = scored.chunk
        made: dict[str, Callable[[], Any]] = {
            "_file": lambda: pa.array([task.source] * chunk.n_rows, pa.string()),
            ROW: lambda: chunk.all_rows,
            "probability": lambda: scored.probabilities,
            "logit": lambda: scored.logits,
            "prediction": lambda: scored.predictions,
        }
        kept = [chunk.columns[_kept(i)] for i in range(len(self.keep))]
        added = [made[name]() for name in self.schema.names[len(kept) :]]
        return pa.table([*kept, *added], schema=self.schema)

    def _check_limit(self, found: _Found) -> None:
        """End a part that has too many bad records to be written."""
        if self.limit is not None and len(found.bad) > self.limit:
            raise TooManyBadRowsError([])


def _kept(position: int) -> str:
    """Return how a chunk names a column to keep, unlike any name of the model's."""
    return f"\0{position}"


class _Found:
    """What a part turned out to hold."""

    def __init__(self, task: PartTask) -> None:
        self.task = task
        self.bad: list[BadRow] = []
        self.counts: dict[str, ColumnCounts] = {}

    def add(self, bad: list[BadRow], scored: ScoredRows) -> None:
        """Take in a chunk, its bad records in order of rows."""
        self.bad += sorted([*bad, *scored.bad], key=lambda one: one.row)
        self.counts = merged_counts([self.counts, scored.counts])


class _Rejects:
    """The rejected records of a part, as JSON has them."""

    def __init__(self, found: _Found) -> None:
        self._found = found

    def plain(self, bad: BadRow) -> dict[str, Any]:
        """Return a rejected record."""
        task = self._found.task
        place = task.part.place(bad.row)
        column = None if bad.column is None else task.columns.get(bad.column)
        return {
            "file": task.source,
            "row": bad.row,
            "line": place.line,
            "byte_offset": place.byte_offset,
            "column": bad.column if column is None else column,
            "kind": bad.kind,
            "raw": place.raw,
            "message": bad.message,
        }

    def write(self, place: OutputPlace) -> str:
        """Write all of them, a line each, and return the file's digest."""
        if not self._found.bad:
            return ""
        path = place.part_rejects(self._found.task.number)
        with written_file(path, place.out) as file:
            hashed = HashedFile(file)
            for bad in self._found.bad:
                line = json.dumps(self.plain(bad), ensure_ascii=False)
                hashed.write(line.encode("utf-8", "backslashreplace") + b"\n")
        return hashed.digest
