"""The forward pass of fitted networks in NumPy; knows no torch and no labels.

Rows are scored in blocks of a fixed number of rows, the last one padded with zeros:
every matrix product has the same shape whatever it was called with, so that a row's
score does not depend on the rows beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import erf, expit, log_expit, logsumexp

Array = NDArray[Any]

BLOCK_ROWS = 256
BATCH_NORM_EPSILON = 1e-5
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _relu(values: Array) -> Array:
    np.maximum(values, 0, out=values)
    return values


def _silu(values: Array) -> Array:
    values *= expit(values)
    return values


def _gelu(values: Array) -> Array:
    phi = 0.5 * (1.0 + erf(values * np.sqrt(0.5).astype(values.dtype)))
    values *= phi.astype(values.dtype)
    return values


def _selu(values: Array) -> Array:
    negative = np.expm1(np.minimum(values, 0)) * SELU_ALPHA
    return np.multiply(np.maximum(values, 0) + negative, SELU_SCALE, out=values)


def _identity(values: Array) -> Array:
    return values


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": _gelu,
    "identity": _identity,
    "logistic": lambda values: expit(values, out=values),
    "relu": _relu,
    "selu": _selu,
    "silu": _silu,
    "tanh": lambda values: np.tanh(values, out=values),
}


@dataclass(frozen=True)
class FittedNetwork:
    """One member's weights.

    Parameters
    ----------
    coefs : sequence of ndarray of shape (in, out)
    intercepts : sequence of ndarray of shape (out,)
    activation : str
        A key of ``ACTIVATIONS``.
    input_mean, input_variance : ndarray of shape (n_features,) or None
        Statistics of a batch normalisation in front.
    """

    coefs: Sequence[Array]
    intercepts: Sequence[Array]
    activation: str
    input_mean: Array | None = None
    input_variance: Array | None = None

    def block_logits(self, rows: Array) -> Array:
        """Return the logits of one block, (BLOCK_ROWS, n_features)."""
        values = rows
        if self.input_mean is not None and self.input_variance is not None:
            deviation = np.sqrt(self.input_variance + BATCH_NORM_EPSILON)
            values = ((values - self.input_mean) / deviation).astype(rows.dtype)
        activate = ACTIVATIONS[self.activation]
        hidden = zip(self.coefs[:-1], self.intercepts[:-1], strict=True)
        for coef, intercept in hidden:
            values = values @ coef
            values += intercept
            values = activate(values)
        logits: Array = values @ self.coefs[-1][:, 0] + self.intercepts[-1][0]
        return logits


class UnscorableError(ValueError):
    """A row cannot be scored in the network's precision; ``column`` says where."""

    def __init__(self, row: int, column: int) -> None:
        self.row = row
        self.column = column
        super().__init__(f"row {row}, column {column} is beyond float32")


def member_logits(
    features: Any, networks: Sequence[FittedNetwork]
) -> NDArray[np.float64]:
    """Return every member's logits, shape (n_members, n_rows), in nats.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
        Finite values; made dense a block at a time where sparse.
    networks : sequence of FittedNetwork
        The members.

    Returns
    -------
    ndarray of shape (n_members, n_rows)
        A row's logits are the same bits whatever other rows are scored with it.

    Raises
    ------
    UnscorableError
        If a value overflows in the network's precision.
    """
    dtype = networks[0].coefs[0].dtype
    logits = np.empty((len(networks), features.shape[0]), dtype=np.float64)
    for start, stop, block in _blocks(features, dtype):
        for member, network in enumerate(networks):
            logits[member, start:stop] = network.block_logits(block)[: stop - start]
    return logits


def _blocks(features: Any, dtype: Any) -> Iterator[tuple[int, int, Array]]:
    """Yield (start, stop, rows padded to BLOCK_ROWS) in the network's precision."""
    n_rows, n_features = features.shape
    block = np.zeros((BLOCK_ROWS, n_features), dtype=dtype)
    for start in range(0, n_rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, n_rows)
        rows: Any = features[start:stop]
        if scipy.sparse.issparse(features):
            rows = rows.toarray()
        with np.errstate(over="ignore"):
            block[: stop - start] = rows
        block[stop - start :] = 0
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            raise UnscorableError(start + int(row), int(column))
        yield start, stop, block


def ensemble_logit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return the logit of the members' mean probability, shape (n_rows,).

    Parameters
    ----------
    logits : ndarray of shape (n_members, n_rows)
        Members' logits, in nats.

    Notes
    -----
    :math:`\log\sum_k \sigma(z_k) - \log\sum_k \sigma(-z_k)`, without rounding a
    probability to 0 or 1.

    Examples
    --------
    >>> float(ensemble_logit(np.array([[-800.0], [-800.0]]))[0])
    -800.0
    """
    if len(logits) == 1:
        only: NDArray[np.float64] = logits[0]
        return only
    positive = logsumexp(log_expit(logits), axis=0)
    negative = logsumexp(log_expit(-logits), axis=0)
    result: NDArray[np.float64] = positive - negative
    return result
