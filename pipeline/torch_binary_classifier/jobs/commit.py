"""A job's parts as its output, which appears whole or not at all; scores nothing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from torch_binary_classifier.exceptions import OutputError
from torch_binary_classifier.jobs.part_scorer import ROW
from torch_binary_classifier.jobs.place import SUCCESS, OutputPlace, clear_work
from torch_binary_classifier.jobs.record import (
    HashedFile,
    PartRecord,
    digest_of,
    read_json,
    write_json,
)
from torch_binary_classifier.persistence.replacement import (
    replaced_file,
    sync_folder,
    telling,
    written_file,
)
from torch_binary_classifier.tables.writing import (
    ByteSink,
    RowWriter,
    csv_header,
    open_writer,
)

__all__ = ["Output", "check_finished", "read_success"]


class Output:
    """The output of a job: takes in part after part, and appears at the end.

    Parts of one file are put together while others are scored.

    Parameters
    ----------
    place : OutputPlace
        Where the parts lie, and where the output goes.
    schema : pyarrow.Schema
        Names and types of the output's columns.

    Raises
    ------
    OutputError
        From any method, if a file cannot be written. The next attempt begins again
        with the first part.
    """

    def __init__(self, place: OutputPlace, schema: Any) -> None:
        self._place = place
        self._schema = schema
        self._records: list[PartRecord] = []
        self._open = contextlib.ExitStack()
        self._file: HashedFile | None = None
        self._writer: RowWriter | None = None

    def __enter__(self) -> Output:
        suffix = self._place.suffix
        with contextlib.ExitStack() as opened:
            if suffix:
                file = opened.enter_context(replaced_file(self._place.out))
                self._file = HashedFile(file)
                if suffix == ".csv":
                    self._file.write(csv_header(self._schema))
                else:
                    self._writer = opened.enter_context(
                        open_writer(self._file, suffix, self._schema, ascending=(ROW,))
                    )
            self._open = opened.pop_all()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is not None:
            # No OSError: a failure to read the input would be told as one of this file.
            self._open.__exit__(GeneratorExit, GeneratorExit(), None)

    def add(self, record: PartRecord) -> None:
        """Take in the next part.

        Parameters
        ----------
        record : PartRecord
            What is known of it.
        """
        self._records.append(record)
        path = self._place.part(record.number)
        with telling(self._place.out):
            if self._writer is not None:
                for batch in _batches(path):
                    self._writer.write(batch)
            elif self._file is not None:
                _append(self._file, path)

    def commit(self, success: Mapping[str, Any]) -> None:
        """Let the output appear.

        Parameters
        ----------
        success : mapping
            What is to be said of the output, beside its own digests.
        """
        told = {**success, "parts": [_told(record) for record in self._records]}
        if self._file is None:
            _commit_folder(self._place, told, self._records, self._schema)
        else:
            self._commit_file(self._file, told)
        clear_work(self._place)

    def _commit_file(self, file: HashedFile, told: dict[str, Any]) -> None:
        """Let one file appear, and say last that it is whole."""
        place = self._place
        with telling(place.out):
            place.success.unlink(missing_ok=True)
        _write_rejects(place, place.rejects, self._records)
        self._open.close()
        written = {"name": place.out.name, "sha256": file.digest}
        write_json(place.success, told | {"files": [written]}, place.out)


def _told(record: PartRecord) -> dict[str, Any]:
    """Return what is said of the rows of one part."""
    return {
        "source": record.source,
        "first_row": record.first_row,
        "rows_in": record.n_rows,
        "rows_scored": record.n_scored,
        "rows_rejected": record.n_rejected,
        "input_digest": record.input_digest,
    }


def _commit_folder(
    place: OutputPlace,
    success: dict[str, Any],
    records: Sequence[PartRecord],
    schema: Any,
) -> None:
    """Let the folder of parts become the output, in one rename."""
    _write_rejects(place, place.parts / place.rejects.name, records)
    files = [
        {"name": place.part(record.number).name, "sha256": record.digest}
        for record in records
    ] or [_write_empty(place, schema)]
    write_json(place.parts / SUCCESS, success | {"files": files}, place.out)
    with telling(place.out):
        _remove_others(place, {file["name"] for file in files})
        if place.out.exists():
            if any(place.out.iterdir()):
                place.out.rename(place.work / "replaced")
            else:
                place.out.rmdir()
        place.parts.rename(place.out)
        sync_folder(place.out, place.out.parent)


def _remove_others(place: OutputPlace, names: set[str]) -> None:
    """Remove what dead workers have left among the parts."""
    ours = names | {SUCCESS, place.rejects.name}
    for path in place.parts.iterdir():
        if path.name not in ours:
            path.unlink()


def _write_empty(place: OutputPlace, schema: Any) -> dict[str, Any]:
    """Write a part without rows, from which readers of the folder know the columns."""
    path = place.part(0)
    with written_file(path, place.out) as file, open_writer(file, path.suffix, schema):
        pass
    return {"name": path.name, "sha256": digest_of(path)}


def _write_rejects(
    place: OutputPlace, path: Path, records: Sequence[PartRecord]
) -> None:
    """Write all rejected records into one file, or none if there are none."""
    with telling(place.out):
        path.unlink(missing_ok=True)
    rejecting = [record.number for record in records if record.n_rejected]
    if not rejecting:
        return
    with replaced_file(path) as file:
        for number in rejecting:
            _append(file, place.part_rejects(number))


def _batches(path: Path) -> Iterator[Any]:
    """Yield the rows of an Arrow file."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for position in range(reader.num_record_batches):
            yield reader.get_batch(position)


def _append(file: ByteSink, path: Path) -> None:
    """Write the content of one file behind that of another."""
    with path.open("rb") as part:
        shutil.copyfileobj(part, file, 1 << 20)


def read_success(place: OutputPlace) -> dict[str, Any] | None:
    """Return what a finished job said of its output; None if there is none.

    Parameters
    ----------
    place : OutputPlace
        Where the output is.

    Returns
    -------
    dict or None
        The content of its success file.
    """
    return read_json(place.success)


def check_finished(place: OutputPlace, success: Mapping[str, Any]) -> None:
    """Refuse an output that is no longer what its job wrote.

    Parameters
    ----------
    place : OutputPlace
        Where it is.
    success : mapping
        What the job said of it.

    Raises
    ------
    OutputError
        If a file is missing or has changed.
    """
    folder = place.out.parent if place.suffix else place.out
    for written in success["files"]:
        path = folder / written["name"]
        if digest_of(path) != written["sha256"]:
            msg = (
                f"{path} must be as it was written, got another content or none. "
                "Begin anew with restart=True (--restart)."
            )
            raise OutputError(msg)
