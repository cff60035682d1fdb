"""Settings that no training works with, and why one has failed; numbers only."""

from __future__ import annotations

import math

import numpy as np

from torch_binary_classifier.interface.settings import Settings
from torch_binary_classifier.interface.solvers import SOLVERS

# Hardly a value of standardised columns is larger.
LARGEST_USUAL_VALUE = 100.0


def check_settings(settings: Settings, dtype: str, row_weight: float) -> None:
    """Refuse settings that a network's precision cannot represent.

    Parameters
    ----------
    settings : Settings
    dtype : {"float32", "float64"}
        Precision of the network.
    row_weight : float
        Mean weight of a row, > 0.

    Raises
    ------
    ValueError
        If Adam's ``epsilon`` would be 0 or the penalty infinite.
    """
    limits = np.finfo(dtype)
    least, most = float(limits.tiny), float(limits.max)
    if SOLVERS[settings.solver].epsilon and settings.epsilon < least:
        msg = (
            f"epsilon must be >= {least:.2g} in {dtype}, got {settings.epsilon!r}. "
            "Set dtype='float64'."
        )
        raise ValueError(msg)
    alpha = settings.alpha
    if alpha > 0 and math.log(alpha) - math.log(row_weight) > math.log(most):
        msg = (
            f"alpha divided by the mean weight of a row must be <= {most:.2g} in "
            f"{dtype}, got {alpha!r} / {row_weight:.2g}. Multiply sample_weight by a "
            "constant, or lower alpha."
        )
        raise ValueError(msg)


def divergence(
    epoch: int, settings: Settings, dtype: str, row_weight: float, largest: float
) -> str:
    """Return the sentence for the user about a training that has diverged.

    Parameters
    ----------
    epoch : int
        The epoch, counted from 1, in which it did.
    settings, dtype, row_weight
        As for `check_settings`.
    largest : float
        Largest absolute value that the networks were shown, of any column.
    """
    return (
        f"Training diverged: weights or loss became non-finite in epoch {epoch}. The "
        f"likely cause is {_cause(settings, dtype, row_weight, largest)}."
    )


def _cause(settings: Settings, dtype: str, row_weight: float, largest: float) -> str:
    """Return what most likely makes a training diverge, and the remedy."""
    rate, solver = settings.learning_rate_init, SOLVERS[settings.solver]
    shrinking = rate * settings.alpha / (row_weight * settings.batch_size)
    usual = rate <= 1
    plain = solver.learning_rate and not solver.epsilon
    if plain and usual and shrinking > 1:  # a step overshoots 0
        return (
            f"alpha={settings.alpha!r}, whose penalty is too steep for "
            f"learning_rate_init={rate!r}: lower alpha, or use solver='adam'"
        )
    if solver.weight_decay and usual and rate * settings.weight_decay > 2:
        return (
            f"weight_decay={settings.weight_decay!r}: lower it, or the learning "
            "rate that multiplies it"
        )
    # Below, the square of a gradient vanishes beside which epsilon is still nothing.
    if solver.epsilon and settings.epsilon**2 < np.finfo(dtype).tiny:
        return f"epsilon={settings.epsilon!r}: raise it to about 1e-8"
    is_scaled = largest <= LARGEST_USUAL_VALUE
    if solver.learning_rate and is_scaled:
        return f"learning_rate_init={rate!r}: lower it"
    if is_scaled:
        return f"alpha={settings.alpha!r}: raise it"
    scale = f"the scale of the input, where a value is {largest:.3g}"
    if usual or not solver.learning_rate:
        return f"{scale}: put a StandardScaler in front"
    return (
        f"{scale}, or learning_rate_init={rate!r}: put a StandardScaler in front and "
        "lower the learning rate"
    )
