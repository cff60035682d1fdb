"""The command `convert`: a model file as one of the other kind."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from torch_binary_classifier.cli.arguments import (
    add_key_file,
    check_no_input,
    path_with_suffix,
)
from torch_binary_classifier.wording import plain

HELP = "write a model file as one of the other kind"
DESCRIPTION = (
    "Write a joblib file as a skops file, which can be loaded without running code, or "
    "the other way round. The model is loaded for it: run this where the file was made."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `convert`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.add_argument(
        "out",
        metavar="OUT",
        type=path_with_suffix(".joblib", ".skops"),
        help="file to write, NAME.skops or NAME.joblib",
    )
    add_key_file(parser, "key with which MODEL must be and OUT will be signed")


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Convert a model file.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the result goes.

    Raises
    ------
    ModelFileError
        If the file cannot be loaded, or its model cannot be of the other kind.
    OutputError
        If the new file cannot be written.
    ValueError
        If the key cannot be read or is too short.
    """
    from torch_binary_classifier.persistence import check_writable, load, save

    path, out, key = arguments.model, arguments.out, arguments.key_file
    check_no_input(arguments, out, path, name="OUT")
    check_writable(out)
    save(load(path, verify_with=key), out, sign_with=key)
    stream.write(f"Wrote {plain(str(out))}\n")
