"""Fitted networks as ONNX operators: from rows to the probabilities of both classes.

Says the same as ``inference``, in double precision throughout. A network trained in
single precision sees its inputs rounded to that, but its sums are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.kinds import (
    indicated_by,
    medians_of,
    member_weights,
    networks,
    tempering,
)
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.network_kinds import (
    FittedNetwork,
    Kind,
    in_kinds,
)
from torch_binary_classifier.inference.tempering import Tempering
from torch_binary_classifier.onnx_graph.activations import (
    ACTIVATIONS,
    log_sigmoid,
    sigmoid,
)
from torch_binary_classifier.onnx_graph.graph import Graph

Array = NDArray[Any]

ROWS, COLUMNS = [0], [1]  # axes


def add_probability(
    graph: Graph, estimator: Any, rows: str, refusals: Sequence[str] = ()
) -> str:
    """Add the networks of a fitted classifier.

    Parameters
    ----------
    graph : Graph
    estimator : TorchBinaryClassifier
    rows : str
        The value of its features, double of shape (n_rows, n_features).
    refusals : sequence of str
        Values of shape (n_rows, 1): nan for rows that have no score, else 0.

    Returns
    -------
    str
        Double of shape (n_rows, 2); nan for rows that ``predict_proba`` refuses.
    """
    kept, weights = _counting(networks(estimator), member_weights(estimator))
    rows, refused = _known_rows(graph, estimator, rows, kept[0])
    logits, overflown = _member_logits(graph, rows, kept)
    own = tempering(estimator)
    if own is not None:
        logits, weights = _tempered(graph, logits, weights, own), np.ones(1)
    by_class = [_mean(graph, graph.add("Neg", logits), weights)]
    by_class.append(_mean(graph, logits, weights))
    probability = graph.add("Concat", *by_class, axis=1)
    for refusal in (refused, overflown, *refusals):
        probability = graph.add("Add", probability, refusal)
    return probability


def add_label(
    graph: Graph, probability: str, labels: Array, threshold: float | None = None
) -> str:
    """Add the more probable of two labels, shape (n_rows,); the first for nan.

    With a threshold it is the second one from there on.
    """
    second, first = (
        graph.add("Gather", probability, [place], axis=1) for place in (1, 0)
    )
    if threshold is None:
        decided = graph.add("Greater", second, first)
    else:
        decided = graph.add("GreaterOrEqual", second, np.array([[threshold]]))
    is_second = graph.add("Cast", decided, to=_INT64)
    place = graph.add("Squeeze", is_second, COLUMNS)
    return graph.add("Gather", labels, place, axis=0)


# Element types by their numbers in onnx.proto.
_FLOAT, _INT64, _DOUBLE = 1, 7, 11


def _counting(
    members: list[FittedNetwork], weights: NDArray[np.float64] | None
) -> tuple[list[FittedNetwork], NDArray[np.float64]]:
    """Return the members whose weight is not 0, and their weights of sum 1."""
    if weights is None:
        weights = np.ones(len(members))
    kept = [one for one, weight in zip(members, weights, strict=True) if weight > 0]
    weights = weights[weights > 0]
    return kept, weights / weights.sum()


def _known_rows(
    graph: Graph, estimator: Any, rows: str, first: FittedNetwork
) -> tuple[str, str]:
    """Return rows in the network's precision, gaps filled, and which are refused."""
    if first.input_mean is None:
        rows = _rounded(graph, rows, first)
    is_indicated = np.zeros(estimator.n_features_in_, dtype=bool)
    is_indicated[indicated_by(estimator)] = True
    medians = medians_of(estimator)
    if medians is not None and not is_indicated.all():
        gaps = graph.add("And", graph.add("IsNaN", rows), ~is_indicated)
        fill = medians.astype(first.coefs[0].dtype).astype(np.float64)
        rows = graph.add("Where", gaps, fill, rows)
    known = rows
    if is_indicated.any():
        gaps = graph.add("And", graph.add("IsNaN", rows), is_indicated)
        known = graph.add("Where", gaps, 0.0, rows)
    return rows, _nan_unless_finite(graph, known, COLUMNS, keepdims=1)


def _nan_unless_finite(
    graph: Graph, values: str, axes: Sequence[int], keepdims: int
) -> str:
    """Return nan where a value along an axis is not finite, else 0."""
    zeros = graph.add("Sub", values, values)
    return graph.add("ReduceSum", zeros, axes, keepdims=keepdims)


def _rounded(graph: Graph, values: str, network: FittedNetwork) -> str:
    """Return values in the network's precision, as doubles."""
    if network.coefs[0].dtype == np.float64:
        return values
    return graph.add("Cast", graph.add("Cast", values, to=_FLOAT), to=_DOUBLE)


def _member_logits(
    graph: Graph, rows: str, members: Sequence[FittedNetwork]
) -> tuple[str, str]:
    """Return logits, (n_members, n_rows, 1), and nan where one overflows, else 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        kinds = in_kinds(members)
    found = [_kind_logits(graph, rows, kind) for kind in kinds]
    logits = found[0] if len(found) == 1 else graph.add("Concat", *found, axis=0)
    seen = _rounded(graph, logits, members[0])
    return logits, _nan_unless_finite(graph, seen, ROWS, keepdims=0)


def _kind_logits(graph: Graph, rows: str, kind: Kind) -> str:
    """Return the logits of one kind's members, (n_members, n_rows, 1)."""
    first = kind.members[0]
    values = rows if kind.encoding is None else _encoded(graph, rows, kind.encoding)
    if first.input_mean is not None:
        mean, deviation = (
            _stacked([getattr(member, name) for member in kind.members])[:, np.newaxis]
            for name in ("input_mean", "input_deviation")
        )
        values = graph.add("Div", graph.add("Sub", values, mean), deviation)
        values = _rounded(graph, values, first)
    for number in range(len(first.coefs)):
        coef = _stacked([member.coefs[number] for member in kind.members])
        bias = _stacked([member.intercepts[number] for member in kind.members])
        values = graph.add("MatMul", values, coef)
        values = graph.add("Add", values, bias[:, np.newaxis])
        if number < len(first.coefs) - 1:
            values = ACTIVATIONS[first.activation](graph, values)
    return values


def _stacked(arrays: Sequence[Array]) -> Array:
    """Return the members' arrays as one of doubles, members first."""
    return np.stack(arrays).astype(np.float64)


def _encoded(graph: Graph, rows: str, encoding: Encoding) -> str:
    """Return what a network sees of rows: see `Encoding`."""
    gaps = graph.add("IsNaN", rows)
    values = graph.add("Where", gaps, encoding.fill.astype(np.float64), rows)
    if len(encoding.indicated):
        own = graph.add("Gather", gaps, encoding.indicated.astype(np.int64), axis=1)
        own = graph.add("Cast", own, to=_DOUBLE)
        values = graph.add("Concat", values, own, axis=1)
    values = graph.add("Gather", values, encoding.source.astype(np.int64), axis=1)
    for operator, vector, neutral in (
        ("Sub", encoding.offset, 0.0),
        ("Mul", encoding.factor, 1.0),
        ("Max", encoding.lowest, -np.inf),
        ("Min", encoding.highest, np.inf),
    ):
        if (vector != neutral).any():
            values = graph.add(operator, values, vector.astype(np.float64))
    return values


def _tempered(
    graph: Graph, logits: str, weights: NDArray[np.float64], own: Tempering
) -> str:
    """Return the tempered logit of the members' mean, (1, n_rows, 1)."""
    if len(weights) > 1:
        sides = [logits, graph.add("Neg", logits)]
        above, below = (_log_mean(graph, side, weights) for side in sides)
        logits = graph.add("Sub", above, below)
    scaled = graph.add("Div", graph.add("Sub", logits, own.centre), own.temperature)
    return graph.add("Add", scaled, own.centre)


def _log_mean(graph: Graph, logits: str, weights: NDArray[np.float64]) -> str:
    """Return the log of the members' mean of sigmoids, which no sigmoid rounds to 0."""
    own = np.log(weights)[:, np.newaxis, np.newaxis]
    logarithms = graph.add("Add", log_sigmoid(graph, logits), own)
    # ReduceMax has its axes in another place from operator set 18 on.
    each = [graph.add("Gather", logarithms, [k], axis=0) for k in range(len(weights))]
    highest = graph.add("Max", *each)
    sizes = graph.add("Exp", graph.add("Sub", logarithms, highest))
    total = graph.add("ReduceSum", sizes, ROWS, keepdims=1)
    return graph.add("Add", graph.add("Log", total), highest)


def _mean(graph: Graph, logits: str, weights: NDArray[np.float64]) -> str:
    """Return the members' mean of sigmoids, (n_rows, 1)."""
    weighted = sigmoid(graph, logits)
    if len(weights) > 1:
        weighted = graph.add("Mul", weighted, weights[:, np.newaxis, np.newaxis])
    return graph.add("ReduceSum", weighted, ROWS, keepdims=0)
