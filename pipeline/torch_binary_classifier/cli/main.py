"""The commands: arguments, one call, an exit code; trains and scores nothing itself.

Only this file imports inside functions: ``--help`` and mistakes in the arguments must
not wait for scikit-learn, and ``score`` and ``inspect`` never import torch.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from torch_binary_classifier.cli import PROGRAM
from torch_binary_classifier.cli.signals import Terminated, raised_signals
from torch_binary_classifier.cli.terminal import discard, outlived, show_any_letter
from torch_binary_classifier.exceptions import OutputError
from torch_binary_classifier.progress import ProgressLine
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.wording import plain

__all__ = ["inspect", "main", "score"]

DONE, UNFIT_INPUT, UNWRITABLE_OUTPUT, INTERRUPTED, SIGNALLED = 0, 3, 4, 130, 128

MODELS = Path("models")
MODEL_SUFFIX = ".joblib"
TABLE_SUFFIXES = (".csv", ".parquet", ".pq")
STANDARD_INPUT = Path("-")


def main(argv: Sequence[str] | None = None, stream: TextIO | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None for those of the process.
    stream : text file, default=None
        Where results go; None for the standard output.

    Returns
    -------
    int
        0 done, 3 the input is unreadable or unfit, 4 an output could not be
        written, 128 and the number of the signal when stopped by one: 130 by Ctrl-C,
        143 by SIGTERM, 129 by SIGHUP. Unfit arguments end the process with code 2.

    Notes
    -----
    The report is an output too. A reader that leaves before its end, as ``head``
    does, does not stop ``train`` and ``demo``: their files are written, and the code
    is 4.
    """
    arguments = _parser().parse_args(argv)
    stream = sys.stdout if stream is None else stream
    show_any_letter(stream)
    try:
        with raised_signals(), _short_warnings():
            arguments.run(arguments, stream)
            stream.flush()
    except ValueError as error:
        return _fail(error, UNFIT_INPUT)
    except OutputError as error:
        return _fail(error, UNWRITABLE_OUTPUT)
    except OSError as error:
        return _fail_stream(error, stream)
    except KeyboardInterrupt:
        return _fail("Interrupted.", INTERRUPTED)
    except Terminated as error:
        return _fail(f"Stopped by {error}.", SIGNALLED + error.number)
    return DONE


def score(
    model: Path,
    data: Path,
    out: Path,
    *,
    stream: TextIO,
    strict: bool = False,
    csv_format: CsvFormat | None = None,
) -> None:
    """Score a table with a saved model.

    Parameters
    ----------
    model : path
        The model file.
    data : path
        The rows to score, CSV or Parquet; ``-`` is a CSV file at standard input.
    out : path
        The table to write, CSV or Parquet.
    stream : text file
        Where the progress and the report go.
    strict : bool, default=False
        Whether to refuse a table with a column of which the model knows no cell.
    csv_format : CsvFormat, default=None
        Separator and encoding of a CSV file; None for a comma and UTF-8.

    Raises
    ------
    ArtefactError
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

    csv_format = csv_format or CsvFormat()
    line = ProgressLine(stream)
    try:
        summary = score_table(
            load(model),
            data,
            out,
            separator=csv_format.separator,
            encoding=csv_format.encoding,
            strict=strict,
            report=partial(_show_rows, line),
        )
    finally:
        line.clear()
    if summary.ignored:
        stream.write(f"Ignored columns: {', '.join(map(repr, summary.ignored))}\n")
    if summary.as_file:
        stream.write(
            "Note: read as the file says, because the model does not tell: "
            f"{', '.join(map(repr, summary.as_file))}\n"
        )
    for column in summary.columns:
        if column.is_strange:
            _warn(f"{column.description}.")
    stream.write(
        f"Scored {summary.n_rows} rows of {_shown(data)} into {plain(str(out))}\n"
    )


def inspect(model: Path, *, stream: TextIO) -> None:
    """Describe what a model file holds.

    Parameters
    ----------
    model : path
        The model file.
    stream : text file
        Where the description goes.

    Raises
    ------
    ArtefactError
        If the model cannot be read.
    """
    from torch_binary_classifier.cli.description import facts
    from torch_binary_classifier.persistence import load

    estimator = load(model)
    described = {"file": f"{plain(str(model))}, {model.stat().st_size} bytes"} | facts(
        estimator
    )
    width = max(len(name) for name in described)
    for name, fact in described.items():
        stream.write(f"{name:<{width}}  {fact}\n")


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Train, save and apply a binary classifier."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_train(commands)
    _add_score(commands)
    _add_inspect(commands)
    return parser


def _add_demo(commands: Any) -> None:
    """Add the command ``demo``."""
    parser = commands.add_parser("demo", help="tune, save and score on real data")
    parser.add_argument(
        "--folder",
        type=Path,
        default=MODELS,
        help="where model and tables go (default: %(default)s)",
    )
    parser.set_defaults(run=_run_demo)


def _add_train(commands: Any) -> None:
    """Add the command ``train``."""
    parser = commands.add_parser(
        "train",
        help="train on a table and save the fitted pipeline",
        description="Train on three quarters of a table's rows, report how well the "
        "network does on the others, and save it.",
    )
    parser.add_argument("data", metavar="DATA", type=Path, help=_input_help("train on"))
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        type=_name,
        required=True,
        help="the column to predict",
    )
    parser.add_argument(
        "--positive",
        metavar="LABEL",
        type=_name,
        help="the class whose probability is reported (default: the second of both)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=_model_path,
        help="model file to write (default: models/ and the name of DATA)",
    )
    parser.add_argument(
        "--grid",
        action="store_true",
        help="search for the best width, step size and penalty",
    )
    parser.add_argument(
        "--categorical",
        metavar="COLUMN",
        type=_name,
        action="append",
        default=[],
        help="a column of numbers that are codes, not quantities; may be repeated",
    )
    parser.add_argument(
        "--drop",
        metavar="COLUMN",
        type=_name,
        action="append",
        default=[],
        help="a column to leave out; may be repeated",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        help="seed of the held-out rows and of the network (default: %(default)s)",
    )
    _add_csv_format(parser)
    parser.set_defaults(run=_run_train, refuse=parser.error)


def _add_score(commands: Any) -> None:
    """Add the command ``score``."""
    parser = commands.add_parser(
        "score",
        help="score a table with a saved model",
        description="Write the probability and the predicted label of every row.",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.add_argument("data", metavar="DATA", type=Path, help=_input_help("score"))
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=_table_path,
        required=True,
        help=_table_help("write"),
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse a table with a column of which the model knows no cell",
    )
    _add_csv_format(parser)
    parser.set_defaults(run=_run_score, refuse=parser.error)


def _add_csv_format(parser: argparse.ArgumentParser) -> None:
    """Add how a CSV file is written."""
    parser.add_argument(
        "--separator",
        metavar="CHARACTER",
        type=_csv_option("separator"),
        default=CsvFormat.separator,
        help="what stands between two cells of a CSV file, or the word tab "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        type=_csv_option("encoding"),
        default=CsvFormat.encoding,
        help="encoding of a CSV file, by Python's name (default: %(default)s)",
    )


def _add_inspect(commands: Any) -> None:
    """Add the command ``inspect``."""
    parser = commands.add_parser("inspect", help="describe a saved model")
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.set_defaults(run=_run_inspect)


def _run_demo(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``demo``."""
    from torch_binary_classifier.cli.demonstration import demo

    with outlived(stream) as report:
        demo(arguments.folder, stream=report)


def _run_train(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``train``."""
    from torch_binary_classifier.cli.folders import folder_for_output
    from torch_binary_classifier.cli.training import TrainingPlan, train

    out = arguments.out or _default_out(arguments)
    _check_no_input(arguments, out, arguments.data)
    plan = TrainingPlan(
        target=arguments.target,
        categorical=tuple(arguments.categorical),
        drop=tuple(arguments.drop),
        grid=arguments.grid,
        seed=arguments.seed,
        positive=arguments.positive,
    )
    csv_format = CsvFormat(arguments.separator, arguments.encoding)
    # A folder that the user names is not ours to make.
    folder = (
        folder_for_output(MODELS) if arguments.out is None else contextlib.nullcontext()
    )
    with folder, outlived(stream) as report:
        train(arguments.data, out, plan, stream=report, csv_format=csv_format)


def _default_out(arguments: argparse.Namespace) -> Path:
    """Return the model file of a table, unless that has no name."""
    if arguments.data == STANDARD_INPUT:
        arguments.refuse("argument --out: must be given if DATA is standard input")
    # The name of a compressed table ends in two suffixes.
    stem = Path(arguments.data.name.removesuffix(".gz")).stem
    return MODELS / f"{stem}{MODEL_SUFFIX}"


def _run_score(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``score``, unless its output would replace its input."""
    model, data, out = arguments.model, arguments.data, arguments.out
    _check_no_input(arguments, out, model, data)
    csv_format = CsvFormat(arguments.separator, arguments.encoding)
    score(
        model,
        data,
        out,
        stream=stream,
        strict=arguments.strict,
        csv_format=csv_format,
    )


def _check_no_input(arguments: argparse.Namespace, out: Path, *inputs: Path) -> None:
    """Refuse an output that is one of the inputs, be it through a link."""
    for path in inputs:
        with contextlib.suppress(OSError):  # what is not there is not replaced
            if out.samefile(path):
                arguments.refuse(f"argument --out: must be no input, got '{out}'")


def _run_inspect(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``inspect``."""
    inspect(arguments.model, stream=stream)


def _input_help(purpose: str) -> str:
    """Return the help on an argument that names a table to be read."""
    return f"{_table_help(purpose)}, or .csv.gz, or - for CSV at standard input"


def _table_help(purpose: str) -> str:
    """Return the help on an argument that names a table."""
    return f"table to {purpose} ({', '.join(TABLE_SUFFIXES)})"


def _table_path(text: str) -> Path:
    """Return the path of a table that is to be written."""
    return _path_with_suffix(text, TABLE_SUFFIXES)


def _model_path(text: str) -> Path:
    """Return the path of a model file that is to be written."""
    return _path_with_suffix(text, (MODEL_SUFFIX,))


def _path_with_suffix(text: str, suffixes: Sequence[str]) -> Path:
    """Return a path, or refuse it as an argument if it ends in something else."""
    if Path(text).suffix.lower() not in suffixes:
        msg = f"must end in {', '.join(suffixes)}, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)


def _name(text: str) -> str:
    """Return a name as a file has it, also where arguments are not read as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _csv_option(name: str) -> Callable[[str], str]:
    """Return what checks an argument that is a field of CsvFormat."""

    def checked(text: str) -> str:
        try:
            CsvFormat(**{name: text})
        except ValueError as error:
            msg = str(error).removeprefix(f"{name} ").removesuffix(".")
            raise argparse.ArgumentTypeError(msg) from error
        return text

    return checked


def _shown(data: Path) -> str:
    """Return how the report names a table."""
    return "standard input" if data == STANDARD_INPUT else plain(str(data))


def _seed(text: str) -> int:
    """Return a seed that NumPy accepts, or refuse the argument."""
    if not text.isdecimal() or int(text) >= 2**32:
        msg = f"must be a whole number from 0 to 2**32 - 1, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _show_rows(line: ProgressLine, n_rows: int, read_fraction: float) -> None:
    """Show how many rows are scored, and how much of the file that is, if known."""
    if math.isnan(read_fraction):
        line.show(lambda: f"{n_rows} rows scored")
    else:
        line.show(
            lambda: f"{n_rows} rows scored, {read_fraction:.0%} of the file",
            read_fraction,
        )


@contextlib.contextmanager
def _short_warnings() -> Iterator[None]:
    """Show warnings as one line each, without a place in the code."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        _warn(message)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _warn(message: object) -> None:
    """Report on one line what does not keep the command from its work."""
    sys.stderr.write(f"{PROGRAM}: warning: {_one_line(message)}\n")


def _fail(problem: object, code: int) -> int:
    """Report a problem on one line and return the exit code."""
    with contextlib.suppress(OSError):  # of a terminal that has gone
        sys.stderr.write(f"{PROGRAM}: error: {_one_line(problem)}\n")
    return code


def _fail_stream(error: OSError, stream: TextIO) -> int:
    """Report that the results cannot be written, and return the exit code."""
    discard(stream)
    if isinstance(error, BrokenPipeError):
        return UNWRITABLE_OUTPUT
    problem = f"the output must be writable, got {error.strerror or error}."
    return _fail(problem, UNWRITABLE_OUTPUT)


def _one_line(message: object) -> str:
    """Return a message without line breaks and what else a terminal would obey."""
    return plain(" ".join(str(message).split()))
