"""The command `verify`: whether a model file is what was saved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from torch_binary_classifier.cli.arguments import add_key_file
from torch_binary_classifier.wording import plain

HELP = "tell whether a model file is whole and signed"
DESCRIPTION = (
    "Check the digest of a model file and, with --key-file, its signature. Nothing of "
    "it is loaded. A file that fails ends the command with code 3."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `verify`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    add_key_file(parser, "key with which it must be signed")


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Check a model file.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the result goes.

    Raises
    ------
    ModelFileError
        If the file is not what was saved, is not signed with the key, or cannot tell.
    ValueError
        If the key cannot be read or is too short.
    """
    from torch_binary_classifier.exceptions import UntrustedModelError
    from torch_binary_classifier.persistence import key_bytes, read_model_file

    path, key_file = arguments.model, arguments.key_file
    key = None if key_file is None else key_bytes(key_file, "--key-file")
    file = read_model_file(path, verify_with=key)
    if file.manifest is None:
        msg = (
            f"{path} must have a digest, got a file that torch_binary_classifier.save "
            "has not written."
        )
        raise UntrustedModelError(msg)
    state = "signed with the key" if key else "signed" if file.is_signed else "unsigned"
    stream.write(
        f"{plain(str(path))} is whole, {state}, format {file.manifest['format']}, "
        f"created {plain(str(file.manifest['created']))}\n"
    )
