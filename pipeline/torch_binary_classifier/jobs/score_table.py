"""A whole input with a fitted classifier, exactly once; knows scikit-learn's words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import joblib
import pyarrow as pa

from torch_binary_classifier.jobs.engines import ENGINES, Engine
from torch_binary_classifier.jobs.inputs import (
    InputFile,
    check_kept,
    kept_columns,
    kept_types,
    opened,
)
from torch_binary_classifier.jobs.job import Job, Rules
from torch_binary_classifier.jobs.limit import BadRecordLimit
from torch_binary_classifier.jobs.part_scorer import ROW, PartScorer
from torch_binary_classifier.jobs.place import OutputPlace, check_place
from torch_binary_classifier.jobs.plan import Settings, plan
from torch_binary_classifier.jobs.summary import ScoreSummary
from torch_binary_classifier.persistence.replacement import telling
from torch_binary_classifier.schemas import TableSchema
from torch_binary_classifier.scoring.expected import expected_columns
from torch_binary_classifier.scoring.row_scorer import RowScorer
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.inputs import table_paths
from torch_binary_classifier.tables.table import PART_BYTES
from torch_binary_classifier.wording import shown

__all__ = ["score_table"]

CHOICES = {
    "unseen": ("fail", "ignore", "warn"),
    "types": ("coerce", "strict"),
    "engine": ENGINES,
}


def score_table(
    model: Any,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    keep: Sequence[str] | Literal["all"] = (),
    threshold: float | None = None,
    logit: bool = False,
    unseen: Literal["fail", "warn", "ignore"] = "warn",
    types: Literal["strict", "coerce"] = "coerce",
    schema: TableSchema | None = None,
    max_bad_records: int | str = 0,
    fail_on_drift: bool = False,
    restart: bool = False,
    engine: Literal["threads", "dask"] = "threads",
    scheduler: str | None = None,
    n_threads: int | None = None,
    separator: str = ",",
    encoding: str = "utf-8",
    part_bytes: int = PART_BYTES,
    report: Callable[[int, float], None] | None = None,
) -> ScoreSummary:
    """Write probability and predicted label of every row of tables of any size.

    Parameters
    ----------
    model : object
        A fitted binary classifier: a Pipeline, a search, a calibrated classifier and
        so on.
    data : str or path, or sequence of such
        The rows to score: CSV files (also ``.csv.gz`` and ``.csv.zst``), Parquet
        files, folders or globs of these; ``-`` is a CSV file at standard input. Each
        has at least the columns that the model looks at, in any order.
    out : str or path
        A CSV or Parquet file to write, by its name, or else a folder of Parquet files
        with ``_SUCCESS.json``. It has one row per row of ``data`` that was not
        rejected, in the same order: the columns of ``keep``, ``_file`` if there are
        several files, ``_row`` (counted from 0, in each file), ``probability`` (of
        ``classes_[1]``), ``logit`` on request, and ``prediction`` (the label).
    keep : sequence of str or "all", default=()
        Columns of the input that the output has as well.
    threshold : float, default=None
        Probability from which on a row is predicted to be of ``classes_[1]``, between
        0 and 1; None for what ``model.predict`` does.
    logit : bool, default=False
        Whether the output has the logarithm of the odds of ``classes_[1]``, in nats.
    unseen : {"warn", "fail", "ignore"}, default="warn"
        What a category is that training never saw: scored, counted and told of in the
        summary, a reason to reject the record, or only scored and counted.
    types : {"coerce", "strict"}, default="coerce"
        Whether a table whose columns are of other types than in training is read by
        what its cells denote, or refused; "strict" also wants numbers to be written
        as such in a CSV file, and not as truth values.
    schema : TableSchema, default=None
        Schema of the training table, for a model that carries none.
    max_bad_records : int or str, default=0
        How many records may be rejected, or which share, as in ``"0.1%"``. With one
        more the job fails, and there is no output.
    fail_on_drift : bool, default=False
        Whether to fail, without output, if the rows are unlike those of training, as
        the summary's ``drift`` tells.
    restart : bool, default=False
        Whether to forget what another run has begun, and replace what it has finished.
    engine : {"threads", "dask"}, default="threads"
        Who scores the parts: threads of this process, or workers of Dask, which must
        see the same files.
    scheduler : str, default=None
        Address of Dask's scheduler; None for workers of this machine.
    n_threads : int, default=None
        How many parts are scored at a time, by threads or by workers on this machine;
        None for as many as there are cores.
    separator : str, default=","
        What stands between two cells of a CSV file: one character of ASCII, or
        ``"tab"``.
    encoding : str, default="utf-8"
        Encoding of CSV files, by Python's name.
    part_bytes : int, default=16777216
        About how much text of a CSV file makes a part. What is lost in a kill is at
        most what one part per thread takes.
    report : callable, default=None
        Called after each part with the rows done so far and roughly the fraction of
        the input that they are, 0 to 1; NaN if that is a pipe.

    Returns
    -------
    ScoreSummary
        How many rows were scored and rejected, which columns were ignored, and what
        was unlike training.

    Raises
    ------
    ModelFileError
        If the model is no fitted binary classifier.
    TableError
        If an input cannot be read, lacks a column, or has more bad records than
        allowed, or if it is unlike training where that is to fail.
    OutputError
        If the output cannot be written, is written by another process at the time, or
        is that of another job; the message says how they differ.
    ValueError
        If a parameter is none of what it may be.

    Notes
    -----
    Memory does not grow with the input: some parts are held at a time. Scores are
    bit for bit those of ``model.predict_proba`` on the same rows, whatever the parts
    and the threads.

    All work is kept in the folder ``OUT.parts`` until it is whole. What a killed job
    has done there is found by the next one with the same input, model and options,
    which goes on and writes the same bytes. OUT appears by one rename at the end,
    with ``OUT.success.json`` or ``OUT/_SUCCESS.json``: counts, digests, and the plan.

    A record that cannot be scored is rejected: it is a line in ``OUT.rejects.jsonl``
    or ``OUT/_rejects.jsonl``, with file, row, line, first byte, column, kind, raw text
    and a message. Every row of the input is scored or rejected.

    What is a number and what is text comes from the schema of the training table that
    a model carries if it was saved with it, else from what the fitted steps know of
    each column; where neither can tell, the files do, by all of their cells. Columns
    that the model drops are not read.
    """
    _check_choices(unseen=unseen, types=types, engine=engine)
    _check_numbers(threshold, n_threads=n_threads, part_bytes=part_bytes)
    limit = BadRecordLimit.of(max_bad_records)
    chosen = Engine(engine, n_threads or joblib.cpu_count(), scheduler)
    settings = Settings(
        keep=keep if keep == "all" else tuple(keep),
        threshold=threshold,
        logit=logit,
        unseen=unseen,
        types=types,
        csv_format=CsvFormat(separator, encoding),
        part_bytes=part_bytes,
    )
    place = OutputPlace(Path(out))
    with telling(place.out):
        check_place(place)
        job = _job(model, _paths(data), place, settings, schema)
        return job.run(chosen, Rules(limit, fail_on_drift, restart), report)


def _paths(data: Any) -> list[str]:
    """Return the files that a user has named, one or many."""
    inputs = [data] if isinstance(data, str | os.PathLike) else data
    return table_paths([os.fspath(path) for path in inputs])


def _check_choices(**given: str) -> None:
    """Refuse words that a parameter does not take."""
    for name, word in given.items():
        if word not in CHOICES[name]:
            msg = f"{name} must be one of {list(CHOICES[name])}, got {shown(word)}."
            raise ValueError(msg)


def _check_numbers(threshold: float | None, **counts: int | None) -> None:
    """Refuse numbers beyond what they may be."""
    if threshold is not None and not 0 <= threshold <= 1:
        msg = f"threshold must be between 0 and 1, got {shown(threshold)}."
        raise ValueError(msg)
    for name, given in counts.items():
        if given is not None and given < 1:
            msg = f"{name} must be at least 1, got {shown(given)}."
            raise ValueError(msg)


def _job(
    model: Any,
    paths: Sequence[str],
    place: OutputPlace,
    settings: Settings,
    schema: TableSchema | None,
) -> Job:
    """Return what is to be done, after all checks that need no row."""
    expected = expected_columns(model, schema)
    files = list(opened(paths, expected, settings.csv_format, settings.keep))
    expected = expected.seen_in([file.table for file in files])
    scorer = RowScorer(
        model,
        expected,
        threshold=settings.threshold,
        unseen=settings.unseen,
        types=settings.types,
        with_logits=settings.logit,
    )
    for file in files:
        scorer.check_types(file.types(), file.path)
    kept = kept_types(files, settings.keep)
    output = _output_schema(files, kept, settings, scorer)
    parts = PartScorer(place, scorer, tuple(kept), output)
    made = plan(model, paths, settings, schema, place.suffix)
    return Job(place, made, files, expected, parts, settings.part_bytes)


def _output_schema(
    files: Sequence[InputFile],
    kept: Mapping[str, Any],
    settings: Settings,
    scorer: RowScorer,
) -> Any:
    """Return names and types of the output's columns."""
    added = [
        *([("_file", pa.string())] if len(files) > 1 else []),
        (ROW, pa.int64()),
        ("probability", pa.float64()),
        *([("logit", pa.float64())] if settings.logit else []),
        ("prediction", scorer.label_type),
    ]
    names = kept_columns(files[0].table, settings.keep)
    check_kept(names, [name for name, _ in added])
    return pa.schema([*kept.items(), *added])
