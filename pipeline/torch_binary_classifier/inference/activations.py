"""The activations of hidden units in NumPy, in place; knows arrays only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

Array = NDArray[Any]

# Klambauer et al. 2017, eq. 14
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _relu(values: Array, zeros: Array) -> Array:
    np.maximum(values, zeros, out=values)
    return values


def _silu(values: Array, _zeros: Array) -> Array:
    # The exponential has a vector loop in NumPy, SciPy's sigmoid has none and takes 5
    # times as long.
    divisor = np.negative(values)
    np.exp(divisor, out=divisor)
    divisor += 1
    values /= divisor
    return values


def _gelu(values: Array, _zeros: Array) -> Array:
    phi = 0.5 * (1.0 + erf(values * np.sqrt(0.5).astype(values.dtype)))
    values *= phi.astype(values.dtype)
    return values


def _selu(values: Array, zeros: Array) -> Array:
    negative = np.expm1(np.minimum(values, zeros)) * SELU_ALPHA
    return np.multiply(np.maximum(values, zeros) + negative, SELU_SCALE, out=values)


def _identity(values: Array, _zeros: Array) -> Array:
    return values


# In place. The zeros have the shape of the values: a maximum with a scalar has no
# vector loop in NumPy and takes 5 times as long.
ACTIVATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "gelu": _gelu,
    "identity": _identity,
    "logistic": lambda values, _: expit(values, out=values),
    "relu": _relu,
    "selu": _selu,
    "silu": _silu,
    "tanh": lambda values, _: np.tanh(values, out=values),
}
