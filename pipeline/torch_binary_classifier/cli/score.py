"""The command `score`: a table with a saved model."""

from __future__ import annotations

import argparse
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from torch_binary_classifier.cli.arguments import (
    add_csv_format,
    add_key_file,
    check_no_input,
    csv_format,
    input_help,
    path_with_suffix,
    table_help,
)
from torch_binary_classifier.cli.messages import warn
from torch_binary_classifier.progress import ProgressLine
from torch_binary_classifier.tables.streams import shown_path
from torch_binary_classifier.tables.suffixes import WRITE_SUFFIXES
from torch_binary_classifier.wording import plain

if TYPE_CHECKING:
    from torch_binary_classifier.scoring import ScoreSummary

HELP = "score a table with a saved model"
DESCRIPTION = "Write the probability and the predicted label of every row."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `score`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.add_argument("data", metavar="DATA", type=Path, help=input_help("score"))
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=path_with_suffix(*WRITE_SUFFIXES),
        required=True,
        help=table_help("write"),
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse a table with a column of which the model knows no cell",
    )
    add_key_file(parser, "key with which MODEL must be signed")
    add_csv_format(parser)


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Score a table with a saved model, unless its output would replace its input.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the progress and the report go.

    Raises
    ------
    ModelFileError
        If the model cannot be read, or is no binary classifier of named columns.
    TableError
        If the table cannot be read, or does not fit the model.
    OutputError
        If the output cannot be written.

    Notes
    -----
    Columns with cells that are like none of the training table's are named in a
    warning each on the standard error.
    """
    from torch_binary_classifier.persistence import load
    from torch_binary_classifier.scoring import score_table

    model, data, out = arguments.model, arguments.data, arguments.out
    check_no_input(arguments, out, model, data)
    written = csv_format(arguments)
    line = ProgressLine(stream)
    try:
        summary = score_table(
            load(model, verify_with=arguments.key_file),
            data,
            out,
            separator=written.separator,
            encoding=written.encoding,
            strict=arguments.strict,
            report=partial(_show_rows, line),
        )
    finally:
        line.clear()
    _write_summary(summary, stream)
    stream.write(
        f"Scored {summary.n_rows} rows of {plain(shown_path(data))} into "
        f"{plain(str(out))}\n"
    )


def _write_summary(summary: ScoreSummary, stream: TextIO) -> None:
    """Report what was not read, and what was strange."""
    if summary.ignored:
        stream.write(f"Ignored columns: {', '.join(map(repr, summary.ignored))}\n")
    if summary.as_file:
        stream.write(
            "Note: read as the file says, because the model does not tell: "
            f"{', '.join(map(repr, summary.as_file))}\n"
        )
    for column in summary.columns:
        if column.is_strange:
            warn(f"{column.description}.")


def _show_rows(line: ProgressLine, n_rows: int, read_fraction: float) -> None:
    """Show how many rows are scored, and how much of the file that is, if known."""
    if math.isnan(read_fraction):
        line.show(lambda: f"{n_rows} rows scored")
    else:
        line.show(
            lambda: f"{n_rows} rows scored, {read_fraction:.0%} of the file",
            read_fraction,
        )
