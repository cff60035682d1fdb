"""The command `train`: its arguments, and where the model goes."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TextIO

from torch_binary_classifier.cli.arguments import (
    add_csv_format,
    check_no_input,
    csv_format,
    input_help,
    name,
    path_with_suffix,
)
from torch_binary_classifier.cli.course import add_course, add_search
from torch_binary_classifier.cli.folders import MODELS, folder_for_output
from torch_binary_classifier.cli.measuring import add_measuring, measuring_of
from torch_binary_classifier.cli.parameters import add_parameters, parameters_of
from torch_binary_classifier.cli.terminal import Silence, outlived
from torch_binary_classifier.tables.streams import STANDARD_INPUT

HELP = "train on a table and save the fitted pipeline"
DESCRIPTION = (
    "Train on three quarters of a table's rows, report how well the network does on "
    "the others, and save it."
)

MODEL_SUFFIX = ".joblib"
SAFE_SUFFIX = ".skops"
REPORT_SUFFIX = ".html"
CARD_SUFFIX = ".md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.description = DESCRIPTION
    parser.add_argument("data", metavar="DATA", type=Path, help=input_help("train on"))
    _add_labels(parser)
    _add_outputs(parser)
    add_search(parser)
    add_course(parser)
    _add_choice_of_columns(parser)
    add_parameters(parser)
    add_measuring(parser)
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        help="seed of the held-out rows and of the network (default: %(default)s)",
    )
    add_csv_format(parser)


def run(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Train on a table and save the fitted pipeline.

    Parameters
    ----------
    arguments : Namespace
        The arguments.
    stream : text file
        Where the report goes.
    """
    from torch_binary_classifier.cli.training import TrainingPlan, train

    out = arguments.out or _default_out(arguments)
    _check_outputs(arguments, out)
    plan = TrainingPlan(
        target=arguments.target,
        categorical=tuple(arguments.categorical),
        drop=tuple(arguments.drop),
        search="grid" if arguments.grid else "tune" if arguments.tune else "",
        time_limit=arguments.time_limit,
        quiet=arguments.quiet,
        seed=arguments.seed,
        positive=arguments.positive,
        card=arguments.card,
        report=arguments.report,
        json=arguments.json,
        measuring=measuring_of(arguments),
        parameters=parameters_of(arguments.param, arguments.class_weight),
        threshold=arguments.threshold,
    )
    # A folder that the user names is not ours to make.
    folder = (
        folder_for_output(MODELS) if arguments.out is None else contextlib.nullcontext()
    )
    with folder, outlived(stream) as report:
        train(
            arguments.data,
            out,
            plan,
            stream=Silence() if arguments.quiet else report,
            csv_format=csv_format(arguments),
        )


def _check_outputs(arguments: argparse.Namespace, out: Path) -> None:
    """Refuse a report that cannot be drawn, and files in the place of another."""
    inputs = [arguments.data, *([arguments.validate] if arguments.validate else [])]
    written = {
        "--out": out,
        "--card": out.with_suffix(CARD_SUFFIX) if arguments.card else None,
        "--json": arguments.json,
        "--report": arguments.report,
    }
    paths: dict[Path, str] = {}
    for argument, path in written.items():
        if path is None:
            continue
        check_no_input(arguments, path, *inputs, name=argument)
        other = paths.setdefault(path.resolve(), argument)
        if other != argument:
            arguments.refuse(
                f"argument {argument}: must be another file than that of {other}, "
                f"got '{path}'"
            )
    if arguments.report is None:
        return
    from torch_binary_classifier.pictures.drawing import check_matplotlib

    try:
        check_matplotlib("argument --report:")
    except ImportError as error:
        arguments.refuse(str(error))


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the files that are written."""
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=path_with_suffix(MODEL_SUFFIX, SAFE_SUFFIX),
        help="model file to write (default: models/ and the name of DATA)",
    )
    parser.add_argument(
        "--card",
        action="store_true",
        help="write a model card beside it, by the model's name with .md",
    )
    parser.add_argument(
        "--report",
        metavar="HTML",
        type=path_with_suffix(REPORT_SUFFIX),
        help="page to write on how the model does on the rows held out; needs "
        "matplotlib",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        help="file to write with metrics, parameters, versions and findings",
    )


def _add_labels(parser: argparse.ArgumentParser) -> None:
    """Add what is predicted."""
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        type=name,
        required=True,
        help="the column to predict",
    )
    parser.add_argument(
        "--positive",
        metavar="LABEL",
        type=name,
        help="the class whose probability is reported (default: the second of both)",
    )


def _add_choice_of_columns(parser: argparse.ArgumentParser) -> None:
    """Add what is said about single columns."""
    parser.add_argument(
        "--categorical",
        metavar="COLUMN",
        type=name,
        action="append",
        default=[],
        help="a column of numbers that are codes, not quantities; may be repeated",
    )
    parser.add_argument(
        "--drop",
        metavar="COLUMN",
        type=name,
        action="append",
        default=[],
        help="a column to leave out; may be repeated",
    )


def _default_out(arguments: argparse.Namespace) -> Path:
    """Return the model file of a table, unless that has no name."""
    if str(arguments.data) == STANDARD_INPUT:
        arguments.refuse("argument --out: must be given if DATA is standard input")
    # The name of a compressed table ends in two suffixes.
    stem = Path(arguments.data.name.removesuffix(".gz")).stem
    return MODELS / f"{stem}{MODEL_SUFFIX}"


def _seed(text: str) -> int:
    """Return a seed that NumPy accepts, or refuse the argument."""
    if not text.isdecimal() or int(text) >= 2**32:
        msg = f"must be a whole number from 0 to 2**32 - 1, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
