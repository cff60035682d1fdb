"""What a fit goes on from, and what must be as it was then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from torch_binary_classifier.estimator.automatic import AUTO, MIXED, is_auto
from torch_binary_classifier.estimator.kinds import kinds_of, networks_of
from torch_binary_classifier.estimator.rules import layer_sizes
from torch_binary_classifier.interface.problem import Past
from torch_binary_classifier.wording import shown

REMEDY = "Set warm_start=False to start anew."


def pasts_of(estimator: Any) -> list[Past]:
    """Return the members of the fit before; refuse to make other ones of them."""
    kinds = kinds_of(estimator)
    _check_sizes(estimator, kinds)
    dtype = str(kinds[0]["coefs_"][0].dtype)
    names = [kind.get("_encoding_name") for kind in kinds]
    activations = {kind["activation_"] for kind in kinds}
    before = {
        "solver": kinds[0]["_solver"],
        "input_norm": "batch" if "input_mean_" in kinds[0] else None,
        "dtype": dtype,
        "encoding": names[0] if len(names) == 1 else MIXED,
        "activation": activations.pop() if len(activations) == 1 else AUTO,
    }
    for name, value in before.items():
        given = getattr(estimator, name)
        if given != value and not is_auto(given):
            msg = (
                f"{name} must be that of the previous fit, {value!r}, got "
                f"{shown(given)}. {REMEDY}"
            )
            raise ValueError(msg)
    return [
        Past(
            networks_of(kind),
            kind.get("_standardisation"),
            kind.get("_training_state"),
            len(estimator.loss_curve_),
            dtype,
        )
        for kind in kinds
    ]


def _check_sizes(estimator: Any, kinds: Sequence[Mapping[str, Any]]) -> None:
    """Refuse other layers or another number of members."""
    sizes, wanted = estimator.hidden_layer_sizes, estimator.n_members
    n_members = len(kinds[0]["_member_seeds"])
    for kind in kinds:
        widths = tuple(coef.shape[-1] for coef in kind["coefs_"][:-1])
        same = is_auto(sizes) or layer_sizes(sizes) == widths
        if not same or wanted not in (n_members, AUTO):
            msg = (
                "hidden_layer_sizes and n_members must be those of the previous fit, "
                f"{widths} and {n_members}, got "
                f"{shown(sizes if is_auto(sizes) else layer_sizes(sizes))} and "
                f"{shown(wanted)}. {REMEDY}"
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
    if hasattr(estimator, "classes_"):
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
