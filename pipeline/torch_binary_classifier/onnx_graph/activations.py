"""The activations of hidden units as ONNX operators in double precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from torch_binary_classifier.inference.activations import SELU_ALPHA, SELU_SCALE
from torch_binary_classifier.onnx_graph.graph import Graph

# Cody's rational approximations of erf on [0, 1], and of erfc exp(x**2) beyond, as in
# Moshier, "Methods and Programs for Mathematical Functions", 1989 (Cephes, ndtr.c).
# ONNX has the operator, but onnxruntime has it for single precision only.
ERF_TOP = (
    9.60497373987051638749e0,
    9.00260197203842689217e1,
    2.23200534594684319226e3,
    7.00332514112805075473e3,
    5.55923013010394962768e4,
)
ERF_BOTTOM = (
    1.0,
    3.35617141647503099647e1,
    5.21357949780152679795e2,
    4.59432382970980127987e3,
    2.26290000613890934246e4,
    4.92673942608635921086e4,
)
ERFC_TOP = (
    2.46196981473530512524e-10,
    5.64189564831068821977e-1,
    7.46321056442269912687e0,
    4.86371970985681366614e1,
    1.96520832956077098242e2,
    5.26445194995477358631e2,
    9.34528527171957607540e2,
    1.02755188689515710272e3,
    5.57535335369399327526e2,
)
ERFC_BOTTOM = (
    1.0,
    1.32281951154744992508e1,
    8.67072140885989742329e1,
    3.54937778887819891062e2,
    9.75708501743205489753e2,
    1.82390916687909736289e3,
    2.24633760818710981792e3,
    1.65666309194161350182e3,
    5.57535340817727675546e2,
)
WHERE_ERF_IS_ONE = 6.0


def sigmoid(graph: Graph, values: str) -> str:
    """Return 1 / (1 + exp(-values)), which keeps the digits of small values."""
    return graph.add("Div", 1.0, _divisor(graph, values))


def log_sigmoid(graph: Graph, values: str) -> str:
    """Return the logarithm of the sigmoid, finite for all values."""
    tail = graph.add("Exp", graph.add("Neg", graph.add("Abs", values)))
    rest = graph.add("Log", graph.add("Add", tail, 1.0))
    return graph.add("Sub", graph.add("Min", values, 0.0), rest)


def erf(graph: Graph, values: str) -> str:
    """Return the error function of values."""
    size = graph.add("Min", graph.add("Abs", values), WHERE_ERF_IS_ONE)
    small, large = graph.add("Min", size, 1.0), graph.add("Max", size, 1.0)
    square = graph.add("Mul", small, small)
    ratio = _ratio(graph, square, ERF_TOP, ERF_BOTTOM)
    below = graph.add("Mul", small, ratio)
    tail = graph.add("Exp", graph.add("Neg", graph.add("Mul", large, large)))
    tail = graph.add("Mul", tail, _ratio(graph, large, ERFC_TOP, ERFC_BOTTOM))
    above = graph.add("Sub", 1.0, tail)
    positive = graph.add("Where", graph.add("Less", size, 1.0), below, above)
    return graph.add("Mul", graph.add("Sign", values), positive)


def _ratio(
    graph: Graph, values: str, top: tuple[float, ...], bottom: tuple[float, ...]
) -> str:
    """Return the ratio of two polynomials, highest coefficients first."""
    return graph.add(
        "Div", _polynomial(graph, values, top), _polynomial(graph, values, bottom)
    )


def _polynomial(graph: Graph, values: str, coefficients: tuple[float, ...]) -> str:
    """Return a polynomial by Horner's rule."""
    first, second, *rest = coefficients
    found = graph.add("Add", graph.add("Mul", values, first), second)
    for coefficient in rest:
        found = graph.add("Add", graph.add("Mul", found, values), coefficient)
    return found


def _divisor(graph: Graph, values: str) -> str:
    """Return 1 + exp(-values)."""
    return graph.add("Add", graph.add("Exp", graph.add("Neg", values)), 1.0)


def _silu(graph: Graph, values: str) -> str:
    return graph.add("Div", values, _divisor(graph, values))


def _gelu(graph: Graph, values: str) -> str:
    scaled = graph.add("Mul", values, float(np.sqrt(0.5)))
    phi = graph.add("Mul", graph.add("Add", erf(graph, scaled), 1.0), 0.5)
    return graph.add("Mul", values, phi)


def _selu(graph: Graph, values: str) -> str:
    # The operator of this name has its constants in single precision.
    below = graph.add("Sub", graph.add("Exp", graph.add("Min", values, 0.0)), 1.0)
    negative = graph.add("Mul", below, SELU_ALPHA)
    both = graph.add("Add", graph.add("Relu", values), negative)
    return graph.add("Mul", both, SELU_SCALE)


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "gelu": _gelu,
    "identity": lambda _, values: values,
    "logistic": sigmoid,
    "relu": lambda graph, values: graph.add("Relu", values),
    "selu": _selu,
    "silu": _silu,
    "tanh": lambda graph, values: graph.add("Tanh", values),
}
