"""The command `inspect`: what a model file holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from torch_binary_classifier.wording import plain

HELP = "describe a saved model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inspect`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Describe what a model file holds.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the description goes.

    Raises
    ------
    ModelFileError
        If the model cannot be read.
    """
    from torch_binary_classifier.cli.description import facts
    from torch_binary_classifier.persistence import load

    model: Path = arguments.model
    estimator = load(model)
    described = {"file": f"{plain(str(model))}, {model.stat().st_size} bytes"}
    described |= facts(estimator)
    width = max(len(name) for name in described)
    for name, fact in described.items():
        stream.write(f"{name:<{width}}  {fact}\n")
