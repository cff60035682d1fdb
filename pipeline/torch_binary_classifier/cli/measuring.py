"""On which rows a model is measured, and how it decides; knows arguments only."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from torch_binary_classifier.tables.streams import STANDARD_INPUT

__all__ = ["Measuring", "Threshold", "add_measuring", "measuring_of"]

COST = re.compile(r"cost=([0-9.e+-]+):([0-9.e+-]+)")


@dataclass(frozen=True)
class Measuring:
    """On which rows a model is measured, and what is done then.

    Attributes
    ----------
    file : path or None
        A table of their own.
    last : int, Fraction or None
        How many rows at the end of the table, or which share of it. Without either, a
        quarter is drawn.
    refit_all : bool
        Whether the saved model is fitted anew on all rows.
    importances : bool
        Whether the importance of the columns is measured too.
    """

    file: Path | None = None
    last: int | Fraction | None = None
    refit_all: bool = False
    importances: bool = False


@dataclass(frozen=True)
class Threshold:
    """How the threshold of a decision is found.

    Attributes
    ----------
    rule : {"number", "f1", "cost"}
        It is given, or has the highest F1, or the lowest cost.
    number : float
        The threshold, if it is given.
    false_positive, false_negative : float
        What a wrong row of either kind costs.
    """

    rule: Literal["number", "f1", "cost"]
    number: float = math.nan
    false_positive: float = 1.0
    false_negative: float = 1.0

    def __str__(self) -> str:
        """Return it as its user writes it."""
        if self.rule == "number":
            return f"{self.number:g}"
        costs = f"={self.false_positive:g}:{self.false_negative:g}"
        return self.rule + (costs if self.rule == "cost" else "")


def add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add on which rows a model is measured, and by which threshold it decides.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument(
        "--validate",
        metavar="FILE",
        type=Path,
        help="table to measure on, instead of a quarter of DATA drawn at random",
    )
    rows.add_argument(
        "--validate-last",
        metavar="ROWS",
        type=_rows_or_share,
        help="measure on so many rows at the end of DATA, or a share of them (20%%)",
    )
    parser.add_argument(
        "--refit-all",
        action="store_true",
        help="after measuring, fit the saved model anew on all rows of DATA",
    )
    parser.add_argument(
        "--importances",
        action="store_true",
        help="measure how much each column matters, on the rows held out",
    )
    parser.add_argument(
        "--threshold",
        metavar="RULE",
        type=_threshold,
        help="from which probability on the class is predicted: a number, f1 for the "
        "highest F1, or cost=FP:FN for the lowest cost (default: the more probable "
        "class)",
    )


def measuring_of(arguments: argparse.Namespace) -> Measuring:
    """Return on which rows a model is measured.

    Parameters
    ----------
    arguments : Namespace
        Those of a parser with `add_measuring`; their ``refuse`` ends the process.

    Returns
    -------
    Measuring
        What was asked for.
    """
    if arguments.refit_all and arguments.validate is not None:
        arguments.refuse(
            "argument --refit-all: not allowed with argument --validate, with which "
            "all rows of DATA are trained on"
        )
    if str(arguments.validate) == STANDARD_INPUT:
        arguments.refuse("argument --validate: must be a file, got '-'")
    return Measuring(
        arguments.validate,
        arguments.validate_last,
        arguments.refit_all,
        arguments.importances,
    )


def _rows_or_share(text: str) -> int | Fraction:
    """Return a number of rows, or a share such as 20%, or refuse the argument."""
    try:
        if text.isdecimal() and int(text) > 0:
            return int(text)
        if text.endswith("%") and 0 < (share := Fraction(text[:-1]) / 100) < 1:
            return share
    except (ValueError, ZeroDivisionError):
        pass
    msg = f"must be a number of rows, or a share such as 20%, got {text!r}"
    raise argparse.ArgumentTypeError(msg)


def _threshold(text: str) -> Threshold:
    """Return how a threshold is found, or refuse the argument."""
    if text == "f1":
        return Threshold("f1")
    try:
        if costs := COST.fullmatch(text):
            each = float(costs[1]), float(costs[2])
            if all(0 < cost < math.inf for cost in each):
                return Threshold("cost", math.nan, *each)
        elif 0 <= (number := float(text)) <= 1:
            return Threshold("number", number)
    except ValueError:
        pass
    msg = (
        "must be a number from 0 to 1, f1, or cost=FP:FN with what a false positive "
        f"and a false negative cost, got {text!r}"
    )
    raise argparse.ArgumentTypeError(msg)
