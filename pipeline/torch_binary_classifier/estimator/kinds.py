"""The networks in a fitted estimator, read from its attributes.

With networks of one kind their state lies in the estimator's attributes, with several
in the dictionaries of ``kinds_``, which have the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.gaps import Gaps
from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.forward import FittedNetwork
from torch_binary_classifier.inference.tempering import Tempering


def kinds_of(estimator: Any) -> Sequence[dict[str, Any]]:
    """Return the fitted state of each kind of network."""
    kinds: Sequence[dict[str, Any]] = estimator.__dict__.get(
        "kinds_", [vars(estimator)]
    )
    return kinds


def forget_training(estimator: Any) -> None:
    """Drop what only a fit that goes on needs."""
    for kind in kinds_of(estimator):
        del kind["_training_state"]


def encoding_of(kind: Mapping[str, Any]) -> Encoding | None:
    """Return how columns become the inputs of a kind of network."""
    kept = kind.get("encoding_")
    return None if kept is None else Encoding(**kept)


def medians_of(estimator: Any) -> NDArray[Any] | None:
    """Return what stands for a gap of each column; None if none is known."""
    return getattr(estimator, "medians_", None)


def indicated_by(estimator: Any) -> NDArray[np.intp]:
    """Return the columns whose gaps all networks see."""
    encoding = encoding_of(kinds_of(estimator)[0])
    return np.empty(0, np.intp) if encoding is None else encoding.indicated


def gaps_to_go_by(estimator: Any, found: Gaps | None) -> Gaps | None:
    """Return what a fit does about gaps: as the one did that it goes on from."""
    if found is None or not hasattr(estimator, "classes_"):
        return found
    fill = medians_of(estimator)
    return Gaps(found.fill if fill is None else fill, indicated_by(estimator))


def networks(
    estimator: Any, *, fill: NDArray[Any] | None = None
) -> list[FittedNetwork]:
    """Return the members' networks as they score, kind by kind."""
    shift = logit_shift(estimator)
    return [
        one
        for kind in kinds_of(estimator)
        for one in shifted(networks_of(kind, fill), shift)
    ]


def logit_shift(estimator: Any) -> float:
    """Return what is added to each member's logits."""
    return float(estimator.__dict__.get("logit_shift_", 0.0))


def tempering(estimator: Any) -> Tempering | None:
    """Return what becomes of the logits of the mean; None if they stay."""
    temperature = estimator.__dict__.get("temperature_")
    if temperature is None:
        return None
    return Tempering(temperature, centre=logit_shift(estimator))


def shifted(members: list[FittedNetwork], shift: float) -> list[FittedNetwork]:
    """Return networks whose logits are higher by ``shift``."""
    if shift == 0:
        return members
    return [
        replace(one, intercepts=[*one.intercepts[:-1], one.intercepts[-1] + shift])
        for one in members
    ]


def member_weights(estimator: Any) -> NDArray[np.float64] | None:
    """Return how much each member counts, None where all count the same."""
    several = "kinds_" in estimator.__dict__
    weights: NDArray[np.float64] | None = estimator.member_weights_ if several else None
    return weights


def networks_of(
    kind: Mapping[str, Any], fill: NDArray[Any] | None = None
) -> list[FittedNetwork]:
    """Return the networks of one kind; ``fill`` stands for gaps they do not see."""
    mean, deviation = kind.get("input_mean_"), kind.get("input_deviation_")
    coefs, intercepts = kind["coefs_"], kind["intercepts_"]
    activation, encoding = kind["activation_"], encoding_of(kind)
    if coefs[0].ndim == 2:
        return [
            FittedNetwork(
                coefs, intercepts, activation, mean, deviation, encoding, fill
            )
        ]
    return [
        FittedNetwork(
            [coef[member] for coef in coefs],
            [intercept[member] for intercept in intercepts],
            activation,
            None if mean is None else mean[member],
            None if deviation is None else deviation[member],
            encoding,
            fill,
        )
        for member in range(len(coefs[0]))
    ]
