"""The arguments of `train` on how it goes: which search, how long, what is told."""

from __future__ import annotations

import argparse
import contextlib
import math

__all__ = ["add_course", "add_search"]


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add which search there is to be.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--grid",
        action="store_true",
        help="measure 8 choices of width, bins and penalty in 5 folds and take the one "
        "with the lowest log-loss; takes as long as some 40 trainings",
    )
    group.add_argument(
        "--tune",
        action="store_true",
        help="measure 9 changes of the default (step size, width, penalty, dropout, "
        "encoding, bins) in 5 folds, then those that help together, and leave the "
        "default only for what is clearly better; takes as long as some 50 trainings, "
        "and brought 1 %% of the log-loss on one of six tables, nearly nothing on five",
    )


def add_course(parser: argparse.ArgumentParser) -> None:
    """Add how long a training may take, and what is told of it.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=_seconds,
        help="when to end the training, with what it has learned by then, one epoch at "
        "least; a search gets three quarters of it, and ends with the candidates that "
        "it has measured; reading the table and the other models do not count",
    )
    parser.add_argument("--quiet", action="store_true", help="report problems alone")


def _seconds(text: str) -> float:
    """Return a number of seconds above 0."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    msg = f"must be a number above 0, got {text!r}"
    raise argparse.ArgumentTypeError(msg)
