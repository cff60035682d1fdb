"""Arguments that several commands take, and what they may be; knows no command."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.suffixes import WRITE_SUFFIXES

__all__ = [
    "add_csv_format",
    "add_key_file",
    "check_no_input",
    "csv_format",
    "input_help",
    "name",
    "path_with_suffix",
    "table_help",
]


def add_csv_format(parser: argparse.ArgumentParser) -> None:
    """Add how a CSV file is written.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
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


def add_key_file(
    parser: argparse.ArgumentParser, purpose: str, *, required: bool = False
) -> None:
    """Add the file of a key.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    purpose : str
        What the key is for.
    required : bool, default=False
        Whether the command can do nothing without.
    """
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        required=required,
        help=f"{purpose}, all bytes of the file, at least 16",
    )


def csv_format(arguments: argparse.Namespace) -> CsvFormat:
    """Return how a CSV file is written.

    Parameters
    ----------
    arguments : Namespace
        Those of a parser with `add_csv_format`.

    Returns
    -------
    CsvFormat
        Separator and encoding.
    """
    return CsvFormat(arguments.separator, arguments.encoding)


def check_no_input(
    arguments: argparse.Namespace, out: Path, *inputs: Path, name: str = "--out"
) -> None:
    """Refuse an output that is one of the inputs, be it through a link.

    Parameters
    ----------
    arguments : Namespace
        The arguments; their ``refuse`` ends the process.
    out : path
        The output.
    *inputs : path
        The inputs.
    name : str, default="--out"
        The argument that names the output.
    """
    for path in inputs:
        with contextlib.suppress(OSError):  # what is not there is not replaced
            if out.samefile(path):
                arguments.refuse(f"argument {name}: must be no input, got '{out}'")


def input_help(purpose: str) -> str:
    """Return the help on an argument that names a table to be read.

    Parameters
    ----------
    purpose : str
        What the table is read for.

    Returns
    -------
    str
        The help.
    """
    suffixes = f"{table_help(purpose)}, .csv.gz or .csv.zst"
    return f"{suffixes}, or - for CSV at standard input"


def table_help(purpose: str) -> str:
    """Return the help on an argument that names a table.

    Parameters
    ----------
    purpose : str
        What is done with the table.

    Returns
    -------
    str
        The help.
    """
    return f"table to {purpose} ({', '.join(WRITE_SUFFIXES)})"


def path_with_suffix(*suffixes: str) -> Callable[[str], Path]:
    """Return what checks an argument that is the path of a file to write.

    Parameters
    ----------
    *suffixes : str
        What the name of the file may end in.

    Returns
    -------
    callable
        Turns the argument into a path, or refuses it.
    """

    def checked(text: str) -> Path:
        if Path(text).suffix.lower() not in suffixes:
            msg = f"must end in {', '.join(suffixes)}, got {text!r}"
            raise argparse.ArgumentTypeError(msg)
        return Path(text)

    return checked


def name(text: str) -> str:
    """Return a name as a file has it, also where arguments are not read as UTF-8.

    Parameters
    ----------
    text : str
        The argument.

    Returns
    -------
    str
        The name.
    """
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
