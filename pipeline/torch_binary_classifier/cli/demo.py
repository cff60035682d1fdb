"""The command `demo`: its arguments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from torch_binary_classifier.cli.folders import MODELS
from torch_binary_classifier.cli.terminal import outlived

HELP = "tune, save and score on real data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `demo`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.add_argument(
        "--folder",
        type=Path,
        default=MODELS,
        help="where model and tables go (default: %(default)s)",
    )


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Tune, save and score on real data.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the report goes.
    """
    from torch_binary_classifier.cli.demonstration import demonstrate

    with outlived(stream) as report:
        demonstrate(arguments.folder, stream=report)
