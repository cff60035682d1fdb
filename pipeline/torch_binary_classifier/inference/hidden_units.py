"""How far the units of fitted networks move over some rows; knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.blas_threads import OneBlasThread
from torch_binary_classifier.inference.activations import ACTIVATIONS
from torch_binary_classifier.inference.network_kinds import FittedNetwork, in_kinds

Array = NDArray[Any]


def unit_ranges(rows: Array, networks: Sequence[FittedNetwork]) -> list[list[Array]]:
    """Return how far each unit's value moves over rows, layer by layer.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Gaps that the networks do not see are filled.
    networks : sequence of FittedNetwork
        The members, kind by kind.

    Returns
    -------
    list of list of ndarray of shape (n_units,)
        By member: the ranges of each hidden layer, then that of the logit.
    """
    found = []
    with np.errstate(all="ignore"), OneBlasThread():
        for kind in in_kinds(networks):
            inputs = rows.astype(kind.dtype)
            if kind.encoding is not None:
                inputs = kind.encoding.encode(inputs)
            found += [_ranges(inputs, network) for network in kind.members]
    return found


def _ranges(inputs: Array, network: FittedNetwork) -> list[Array]:
    """Return the ranges of one member's units."""
    activate = ACTIVATIONS[network.activation]
    values, ranges = inputs, []
    if network.input_mean is not None and network.input_deviation is not None:
        values = (values - network.input_mean) / network.input_deviation
        values = values.astype(inputs.dtype)
    last = len(network.coefs) - 1
    layers = zip(network.coefs, network.intercepts, strict=True)
    for number, (coef, bias) in enumerate(layers):
        values = values @ coef + bias
        if number < last:
            values = activate(values, np.zeros_like(values))
        ranges.append(np.ptp(values, axis=0))
    return ranges
