"""The rules of the estimator's parameters, each and together."""

from __future__ import annotations

import math
from typing import Any

from torch_binary_classifier.estimator.automatic import AUTO, MIXED, is_auto
from torch_binary_classifier.estimator.rules import (
    AnyOf,
    Flag,
    LayerSizes,
    Number,
    OneOf,
    Rule,
    check_parameters,
)
from torch_binary_classifier.estimator.weights import check_class_weight
from torch_binary_classifier.inference.activations import ACTIVATIONS
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown


def _or_auto(*rules: Rule) -> Rule:
    """Return a rule that accepts "auto" too."""
    return AnyOf([OneOf({AUTO}), *rules])


RULES: dict[str, Rule] = {
    "hidden_layer_sizes": _or_auto(LayerSizes()),
    "activation": _or_auto(OneOf(ACTIVATIONS)),
    "solver": OneOf(SOLVERS),
    "alpha": _or_auto(Number(low=0)),
    "batch_size": _or_auto(Number(low=1, whole=True)),
    "learning_rate": OneOf({"adaptive", "constant", "cosine", "invscaling"}),
    "learning_rate_init": _or_auto(Number(low=0, open_low=True)),
    "power_t": Number(low=0),
    "max_iter": Number(low=1, whole=True),
    "shuffle": Flag(),
    "tol": Number(low=0),
    "verbose": AnyOf([Flag(), Number(low=0, whole=True)]),
    "warm_start": Flag(),
    "momentum": Number(low=0, high=1),
    "nesterovs_momentum": Flag(),
    "early_stopping": _or_auto(Flag()),
    "validation_fraction": Number(low=0, high=1, open_high=True),
    "beta_1": Number(low=0, high=1, open_high=True),
    "beta_2": Number(low=0, high=1, open_high=True),
    "epsilon": Number(low=0, open_low=True),
    "n_iter_no_change": _or_auto(Number(low=1, whole=True), OneOf({math.inf})),
    "max_fun": Number(low=1, whole=True),
    "dropout": _or_auto(Number(low=0, high=1, open_high=True)),
    "weight_decay": Number(low=0),
    "weight_average": _or_auto(Number(low=0, high=1, open_high=True)),
    "input_norm": OneOf({None, "batch"}),
    "encoding": OneOf({None, AUTO, MIXED, "piecewise"}),
    "n_bins": _or_auto(Number(low=1, whole=True)),
    "input_factors": _or_auto(Flag()),
    "prior_correction": Flag(),
    "calibrate": Flag(),
    "n_members": _or_auto(Number(low=1, whole=True)),
    "dtype": OneOf({AUTO, "float32", "float64"}),
    "unscaled_input": OneOf({"ignore", "raise", "warn"}),
}


def learns_in_steps(estimator: Any) -> bool:
    """Return whether ``partial_fit`` can be called, or say why not."""
    able = [name for name, solver in SOLVERS.items() if solver.partial_fit]
    if estimator.solver in [name for name in SOLVERS if name not in able]:
        *first, last = map(repr, able)
        msg = f"partial_fit is available with solver {', '.join(first)} or {last} only."
        raise AttributeError(msg)
    if estimator.encoding in {MIXED, "piecewise"}:
        msg = (
            "encoding must be None or 'auto' for partial_fit, got "
            f"{shown(estimator.encoding)}: one batch does not tell where bins lie. "
            "With 'auto' it goes on from those of fit."
        )
        raise AttributeError(msg)
    if estimator.calibrate:
        msg = (
            "calibrate must be False for partial_fit, got True: one batch holds out no "
            "rows."
        )
        raise AttributeError(msg)
    return True


def check(estimator: Any) -> None:
    """Refuse unfit parameters before any work."""
    check_parameters({name: getattr(estimator, name) for name in RULES}, RULES)
    solver = SOLVERS[estimator.solver]
    able = {
        "dropout": solver.dropout,
        "input_factors": solver.steps,
        "weight_average": solver.steps,
    }
    for name, is_able in able.items():
        given = getattr(estimator, name)
        if given and not (is_able or is_auto(given)):
            none = False if name == "input_factors" else 0
            msg = (
                f"{name} must be {none} with solver={shown(estimator.solver)}, got "
                f"{shown(given)}."
            )
            raise ValueError(msg)
    if estimator.encoding in {MIXED, "piecewise"} and estimator.input_norm:
        msg = (
            "encoding must be None with input_norm='batch', got "
            f"{shown(estimator.encoding)}. Put a StandardScaler in front instead."
        )
        raise ValueError(msg)
    if estimator.input_norm and estimator.batch_size == 1 and not solver.full_batch:
        msg = "batch_size must be >= 2 with input_norm='batch', got 1."
        raise ValueError(msg)
    check_class_weight(estimator.class_weight)
    _check_prior_correction(estimator)


def _check_prior_correction(estimator: Any) -> None:
    """Refuse to correct for a class that has no weight."""
    if not (estimator.prior_correction and isinstance(estimator.class_weight, dict)):
        return
    for label, weight in estimator.class_weight.items():
        if weight == 0:
            msg = (
                "class_weight must be > 0 for every label with prior_correction=True, "
                f"got {shown(weight)} for {shown(label)}."
            )
            raise ValueError(msg)


def check_for_stream(estimator: Any) -> None:
    """Refuse parameters with which ``partial_fit`` cannot work."""
    if estimator.early_stopping not in {AUTO, False}:
        msg = "early_stopping must be False for partial_fit, got True."
        raise ValueError(msg)
    if isinstance(estimator.class_weight, str):
        msg = (
            f"class_weight must be None or a dict for partial_fit, got "
            f"{shown(estimator.class_weight)}: one batch does not tell how frequent "
            "the classes are. Pass a dict, or sample_weight."
        )
        raise ValueError(msg)
