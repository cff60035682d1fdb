"""Parameters of the network as arguments; knows the estimator, but no tables."""

from __future__ import annotations

import argparse
import ast
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_binary_classifier.wording import listed

__all__ = ["NetworkParameters", "add_parameters", "parameters_of"]

BALANCED = "balanced"


@dataclass(frozen=True)
class NetworkParameters:
    """What is said of the network.

    Attributes
    ----------
    values : mapping of str to object
        Its parameters by name.
    weights : mapping of str to float
        Of the classes, by their labels as they are written.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    def for_step(self, step: str, y: Any) -> dict[str, Any]:
        """Return the parameters as ``set_params`` of a pipeline takes them.

        Parameters
        ----------
        step : str
            The name of the step.
        y : ndarray of shape (n_rows,)
            The labels.

        Returns
        -------
        dict of str to object
            Values by name.

        Raises
        ------
        TableError
            If a weight is that of no label.
        """
        from torch_binary_classifier.cli.columns import label_written

        values = dict(self.values)
        if self.weights:
            values["class_weight"] = {
                label_written(y, written, "--class-weight"): weight
                for written, weight in self.weights.items()
            }
        return {f"{step}__{name}": value for name, value in values.items()}


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add what is said of the network.

    Parameters
    ----------
    parser : ArgumentParser
        The command's parser.
    """
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        type=_parameter,
        action="append",
        default=[],
        help="a parameter of TorchBinaryClassifier, such as n_members=4, "
        "encoding=piecewise or hidden_layer_sizes=(64,64); may be repeated",
    )
    parser.add_argument(
        "--class-weight",
        metavar="WEIGHT",
        type=_class_weight,
        action="append",
        default=[],
        help="balanced, or LABEL=WEIGHT for a class, as the table writes it; may be "
        "repeated",
    )


def parameters_of(
    given: Sequence[tuple[str, Any]], weights: Sequence[tuple[str, float] | str]
) -> NetworkParameters:
    """Return what arguments say of the network, or refuse it before any work.

    Parameters
    ----------
    given : sequence of (str, object)
        Of `--param`.
    weights : sequence of (str, float) or str
        Of `--class-weight`.

    Returns
    -------
    NetworkParameters
        Values that the estimator takes.

    Raises
    ------
    ValueError
        If it does not, in its own words, or if something is said twice.
    """
    names = [name for name, _ in given] + ["class_weight"] * bool(weights)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"--param must name a parameter once, got {listed(twice)} twice."
        raise ValueError(msg)
    values = dict(given)
    if BALANCED in weights:
        if len(weights) > 1:
            msg = (
                f"--class-weight must be {BALANCED} alone, got {len(weights)} of them."
            )
            raise ValueError(msg)
        values["class_weight"] = BALANCED
        weights = []
    pairs = [pair for pair in weights if not isinstance(pair, str)]
    by_label = dict(pairs)
    if len(by_label) < len(pairs):
        msg = f"--class-weight must name a label once, got {listed([*by_label])} again."
        raise ValueError(msg)
    checked = values | ({"class_weight": by_label} if by_label else {})
    from torch_binary_classifier.classifier import TorchBinaryClassifier
    from torch_binary_classifier.estimator import parameters

    parameters.check(TorchBinaryClassifier(**checked))
    return NetworkParameters(values, by_label)


def _parameter(text: str) -> tuple[str, Any]:
    """Return the name and the value of a parameter, or refuse the argument."""
    from torch_binary_classifier.classifier import TorchBinaryClassifier

    name, equals, written = text.partition("=")
    known = sorted(TorchBinaryClassifier().get_params())
    if not equals:
        msg = f"must be NAME=VALUE, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    if name not in known:
        near = difflib.get_close_matches(name, known)
        advice = f"; near are {', '.join(near)}" if near else ""
        msg = f"must name a parameter of TorchBinaryClassifier, got {name!r}{advice}"
        raise argparse.ArgumentTypeError(msg)
    return name, _value(written)


def _value(written: str) -> Any:
    """Return the Python literal that is written, or the word."""
    try:
        return ast.literal_eval(written.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return math.inf if written.strip() == "inf" else written


def _class_weight(text: str) -> tuple[str, float] | str:
    """Return "balanced" or a label and its weight, or refuse the argument."""
    if text == BALANCED:
        return text
    label, equals, written = text.rpartition("=")
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not equals or not 0 <= weight < math.inf:
        msg = f"must be balanced or LABEL=WEIGHT with a weight >= 0, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return label, weight
