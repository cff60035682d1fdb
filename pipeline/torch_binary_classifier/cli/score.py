"""The command `score`: tables of any size with a saved model."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from torch_binary_classifier.cli.arguments import (
    add_csv_format,
    add_key_file,
    check_no_input,
    csv_format,
    name,
)
from torch_binary_classifier.cli.messages import warn
from torch_binary_classifier.progress import ProgressLine, duration
from torch_binary_classifier.tables.suffixes import OTHER_SUFFIXES, WRITE_SUFFIXES
from torch_binary_classifier.wording import plain

if TYPE_CHECKING:
    from torch_binary_classifier.jobs import ScoreSummary

HELP = "score tables with a saved model"
DESCRIPTION = (
    "Write the probability and the predicted label of every row of tables of any size. "
    "A run that was killed is continued by the same command."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `score`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="files (.csv, .csv.gz, .csv.zst, .parquet, .pq), folders or globs of "
        "them, or - for CSV at standard input",
    )
    parser.add_argument(
        "--out",
        metavar="OUT",
        type=_output,
        required=True,
        help="file to write (.csv, .parquet, .pq), or a folder of Parquet files",
    )
    _add_columns(parser)
    _add_cells(parser)
    _add_run(parser)
    add_key_file(parser, "key with which MODEL must be signed")
    add_csv_format(parser)


def _add_columns(parser: argparse.ArgumentParser) -> None:
    """Add what the output holds."""
    parser.add_argument(
        "--keep",
        metavar="COLUMN",
        nargs="+",
        type=name,
        default=[],
        help="columns of the input that OUT has as well, or all for every one",
    )
    parser.add_argument(
        "--threshold",
        metavar="P",
        type=_probability,
        help="probability from which on a row is predicted to be of the second class "
        "(default: as the model predicts)",
    )
    parser.add_argument(
        "--logit", action="store_true", help="write the logarithm of the odds as well"
    )


def _add_cells(parser: argparse.ArgumentParser) -> None:
    """Add how cells are read, and what becomes of bad ones."""
    parser.add_argument(
        "--max-bad-records",
        metavar="N|P%",
        type=_limit,
        default="0",
        help="how many records that cannot be scored are put aside in a file of "
        "rejects before the run fails (default: %(default)s)",
    )
    parser.add_argument(
        "--unseen",
        choices=("fail", "warn", "ignore"),
        default="warn",
        help="what a category is that training never saw: a bad record, a reason to "
        "warn, or nothing (default: %(default)s)",
    )
    parser.add_argument(
        "--types",
        choices=("strict", "coerce"),
        default="coerce",
        help="whether cells must be of the types of training, or are read by what they "
        "denote (default: %(default)s)",
    )
    parser.add_argument(
        "--schema",
        metavar="TABLE",
        type=Path,
        help="training table, for a MODEL that was saved without its schema",
    )
    parser.add_argument(
        "--fail-on-drift",
        action="store_true",
        help="fail if the rows are unlike those of training",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    """Add how the work is done."""
    parser.add_argument(
        "--restart",
        action="store_true",
        help="forget what was begun, and replace what was finished",
    )
    parser.add_argument(
        "--engine",
        choices=("threads", "dask"),
        default="threads",
        help="who scores (default: %(default)s)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="scheduler of a Dask cluster"
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=_count,
        help="how many parts are scored at a time (default: one per core)",
    )
    parser.add_argument("--quiet", action="store_true", help="report problems alone")


def _output(text: str) -> Path:
    """Return a path that names a file to write, or a folder."""
    if Path(text).suffix.lower() in OTHER_SUFFIXES:
        endings = ", ".join(WRITE_SUFFIXES)
        msg = f"must end in {endings}, or be the name of a folder, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)


def _probability(text: str) -> float:
    """Return a number from 0 to 1."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    msg = f"must be a number from 0 to 1, got {text!r}"
    raise argparse.ArgumentTypeError(msg)


def _limit(text: str) -> str:
    """Return a number of records, or a share of them."""
    if text != "0":  # by default nothing is imported
        from torch_binary_classifier.jobs.limit import BadRecordLimit

        try:
            BadRecordLimit.of(text)
        except ValueError as error:
            msg = str(error).removeprefix("max_bad_records ").removesuffix(".")
            raise argparse.ArgumentTypeError(msg) from error
    return text


def _count(text: str) -> int:
    """Return a whole number from 1 on."""
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    msg = f"must be a whole number from 1 on, got {text!r}"
    raise argparse.ArgumentTypeError(msg)


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Score tables with a saved model, unless its output would replace its input.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the report goes; progress goes to the standard error.

    Raises
    ------
    ModelFileError
        If the model cannot be read, or is no binary classifier.
    TableError
        If a table cannot be read, does not fit the model, or has too many bad records.
    OutputError
        If the output cannot be written, or is that of another run.

    Notes
    -----
    What is unlike training is named in a warning each on the standard error.
    """
    from torch_binary_classifier.jobs import score_table
    from torch_binary_classifier.persistence import load
    from torch_binary_classifier.scoring.expected import schema_of_file

    if arguments.scheduler is not None and arguments.engine != "dask":
        arguments.refuse("argument --scheduler: must come with --engine dask")
    check_no_input(
        arguments, arguments.out, arguments.model, *map(Path, arguments.inputs)
    )
    written = csv_format(arguments)
    schema = arguments.schema
    progress = _Progress(sys.stderr)
    try:
        summary = score_table(
            load(arguments.model, verify_with=arguments.key_file),
            arguments.inputs,
            arguments.out,
            keep="all" if arguments.keep == ["all"] else arguments.keep,
            threshold=arguments.threshold,
            logit=arguments.logit,
            unseen=arguments.unseen,
            types=arguments.types,
            schema=None if schema is None else schema_of_file(schema, written),
            max_bad_records=arguments.max_bad_records,
            fail_on_drift=arguments.fail_on_drift,
            restart=arguments.restart,
            engine=arguments.engine,
            scheduler=arguments.scheduler,
            n_threads=arguments.threads,
            separator=written.separator,
            encoding=written.encoding,
            report=None if arguments.quiet else progress.show,
        )
    finally:
        progress.line.clear()
    if not arguments.quiet:
        _write_summary(summary, arguments.out, stream)
    _warn(summary, arguments)


def _write_summary(summary: ScoreSummary, out: Path, stream: TextIO) -> None:
    """Report what was read, and what became of it."""
    for note in summary.notes:
        stream.write(f"Note: {plain(note)}\n")
    if summary.ignored:
        stream.write(f"Ignored columns: {', '.join(map(repr, summary.ignored))}\n")
    if summary.n_kept_parts:
        stream.write(f"Went on after {summary.n_kept_parts} parts of a former run\n")
    did = "Was scored before:" if summary.was_finished else "Scored"
    stream.write(
        f"{did} {summary.n_scored} of {summary.n_rows} rows into {plain(str(out))}, "
        f"{summary.n_rejected} rejected\n"
    )


def _warn(summary: ScoreSummary, arguments: argparse.Namespace) -> None:
    """Report what is unlike training, and what was rejected."""
    if summary.n_rejected:
        kinds = ", ".join(f"{n} {kind}" for kind, n in summary.rejected.items())
        warn(f"{summary.n_rejected} records were rejected: {kinds}.")
    for finding in summary.drift:
        warn(f"{finding.message}.")
    for column in summary.columns:
        is_told = column.is_strange and not column.is_lost  # drift tells of lost ones
        if is_told and (arguments.unseen != "ignore" or not column.unseen):
            warn(f"{column.description}.")


class _Progress:
    """How far the run is, how fast, and how long it will take."""

    def __init__(self, stream: TextIO) -> None:
        self.line = ProgressLine(stream)
        self._began = time.monotonic()

    def show(self, n_rows: int, fraction: float) -> None:
        """Show the rows done, and roughly which fraction of the input they are."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        words = f"{n_rows} rows scored, {n_rows / seconds:,.0f} per second"
        if math.isnan(fraction):
            self.line.show(lambda: words)
            return
        left = seconds * (1 - fraction) / max(fraction, 1e-9)
        self.line.show(lambda: f"{words}, {duration(left)} left", fraction)
