"""The command `sign`: a model file that its owner can be told by."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from torch_binary_classifier.cli.arguments import add_key_file
from torch_binary_classifier.wording import plain

HELP = "sign a model file with a key"
DESCRIPTION = (
    "Put a signature (HMAC-SHA256) into a model file. Whoever has the key, and nobody "
    "else, can make and check it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sign`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    add_key_file(parser, "key to sign with", required=True)


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Sign a model file, which is replaced by the signed one.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the result goes.

    Raises
    ------
    ModelFileError
        If the file is not what was saved, or has no manifest.
    OutputError
        If it cannot be written.
    ValueError
        If the key cannot be read or is too short.
    """
    from torch_binary_classifier.persistence import key_bytes, sign_file

    sign_file(arguments.model, key_bytes(arguments.key_file, "--key-file"))
    stream.write(f"Signed {plain(str(arguments.model))}\n")
