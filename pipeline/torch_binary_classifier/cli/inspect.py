"""The command `inspect`: what a model file says of itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from torch_binary_classifier.cli.terminal import write_paragraph
from torch_binary_classifier.wording import plain

if TYPE_CHECKING:
    from torch_binary_classifier.persistence import ModelFile

HELP = "describe a saved model"
DESCRIPTION = "Tell what a model file says of itself; nothing of it is loaded."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inspect`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument(
        "--load",
        action="store_true",
        help="load a file that says nothing of itself, which runs the code it names",
    )


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Describe a model file.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the description goes.

    Raises
    ------
    ModelFileError
        If the file cannot be read, or is not as it was when it was saved.
    """
    from torch_binary_classifier.persistence import read_model_file

    path: Path = arguments.model
    file = read_model_file(path)
    manifest = file.manifest
    if manifest is None and arguments.load:
        manifest = _manifest_of_loaded(path)
    if arguments.json:
        described = {
            "file": str(path),
            "n_bytes": len(file.data),
            "kind": file.kind,
            "is_signed": file.is_signed,
            "manifest": manifest,
        }
        stream.write(f"{json.dumps(described, indent=2)}\n")
    else:
        _write_lines(path, file, manifest, stream)


def _manifest_of_loaded(path: Path) -> dict[str, Any]:
    """Return what there is to say of a file that says nothing itself."""
    from torch_binary_classifier.persistence import describe_model, load

    return describe_model(load(path))


def _write_lines(
    path: Path, file: ModelFile, manifest: dict[str, Any] | None, stream: TextIO
) -> None:
    """Write one line for each fact."""
    from torch_binary_classifier.cli.description import facts

    if file.manifest is None:
        state = "not verified: it has no digest, torch_binary_classifier.save adds one"
    else:
        state = "whole, signed" if file.is_signed else "whole, not signed"
    described = {
        "file": f"{plain(str(path))}, {len(file.data)} bytes",
        "state": f"{file.kind}, {state}",
    }
    if manifest is None:
        described["manifest"] = "none; --load describes it by loading it"
    described |= facts(manifest or {})
    width = max(len(name) for name in described)
    for name, fact in described.items():
        first, indent = f"{name:<{width}}  ", " " * (width + 2)
        write_paragraph(fact, stream, first=first, indent=indent)
