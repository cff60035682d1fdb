"""What a fit goes on from, and what must be as it was then."""

from __future__ import annotations

from typing import Any

import numpy as np

from torch_binary_classifier.estimator.fitted_state import networks
from torch_binary_classifier.estimator.rules import layer_sizes
from torch_binary_classifier.interface.problem import Past
from torch_binary_classifier.wording import shown

REMEDY = "Set warm_start=False to start anew."


def past_of(estimator: Any) -> Past:
    """Return the members of the fit before; refuse to make other ones of them."""
    _check_sizes(estimator)
    dtype = str(estimator.coefs_[0].dtype)
    before = {
        "activation": estimator.activation_,
        "solver": estimator._solver,
        "input_norm": "batch" if hasattr(estimator, "input_mean_") else None,
        "dtype": dtype,
    }
    for name, value in before.items():
        given = getattr(estimator, name)
        if given != value and (name, given) != ("dtype", "auto"):
            msg = (
                f"{name} must be that of the previous fit, {value!r}, got "
                f"{shown(given)}. {REMEDY}"
            )
            raise ValueError(msg)
    return Past(
        networks(estimator),
        getattr(estimator, "_standardisation", None),
        getattr(estimator, "_training_state", None),
        len(estimator.loss_curve_),
        dtype,
    )


def _check_sizes(estimator: Any) -> None:
    """Refuse other layers or another number of members."""
    widths = tuple(coef.shape[-1] for coef in estimator.coefs_[:-1])
    wanted = layer_sizes(estimator.hidden_layer_sizes)
    n_members = len(estimator._member_seeds)
    if widths != wanted or n_members != estimator.n_members:
        msg = (
            "hidden_layer_sizes and n_members must be those of the previous fit, "
            f"{widths} and {n_members}, got {shown(wanted)} and "
            f"{estimator.n_members}. {REMEDY}"
        )
        raise ValueError(msg)


def check_classes(estimator: Any, classes: Any) -> None:
    """Refuse to go on with other labels."""
    if not np.array_equal(classes, estimator.classes_):
        msg = (
            f"y must have the classes of the previous fit, {estimator.classes_}, with "
            f"warm_start=True, got {classes}."
        )
        raise ValueError(msg)


def classes_of_stream(estimator: Any, classes: Any) -> Any:
    """Return the labels of a stream: those of its first call, where there was one."""
    if hasattr(estimator, "coefs_"):
        known = estimator.classes_
    elif classes is None:
        msg = "classes must be passed on the first call to partial_fit."
        raise ValueError(msg)
    else:
        known = np.unique(np.asarray(classes))
    if classes is not None and not np.array_equal(known, np.unique(classes)):
        msg = (
            f"classes must be those of the first call, {known}, got "
            f"{shown(list(classes))}."
        )
        raise ValueError(msg)
    return known
