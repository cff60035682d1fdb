"""The estimator's parameters: their rules, and the settings that follow from them."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np

from torch_binary_classifier.estimator.rules import (
    AnyOf,
    Flag,
    LayerSizes,
    Number,
    OneOf,
    Rule,
    check_parameters,
    layer_sizes,
)
from torch_binary_classifier.estimator.weights import check_class_weight
from torch_binary_classifier.inference.activations import ACTIVATIONS
from torch_binary_classifier.interface.settings import Settings
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.wording import shown

AUTO_BATCH_SIZE = 200

RULES: dict[str, Rule] = {
    "hidden_layer_sizes": LayerSizes(),
    "activation": OneOf(ACTIVATIONS),
    "solver": OneOf(SOLVERS),
    "alpha": Number(low=0),
    "batch_size": AnyOf([OneOf({"auto"}), Number(low=1, whole=True)]),
    "learning_rate": OneOf({"adaptive", "constant", "cosine", "invscaling"}),
    "learning_rate_init": Number(low=0, open_low=True),
    "power_t": Number(low=0),
    "max_iter": Number(low=1, whole=True),
    "shuffle": Flag(),
    "tol": Number(low=0),
    "verbose": AnyOf([Flag(), Number(low=0, whole=True)]),
    "warm_start": Flag(),
    "momentum": Number(low=0, high=1),
    "nesterovs_momentum": Flag(),
    "early_stopping": Flag(),
    "validation_fraction": Number(low=0, high=1, open_high=True),
    "beta_1": Number(low=0, high=1, open_high=True),
    "beta_2": Number(low=0, high=1, open_high=True),
    "epsilon": Number(low=0, open_low=True),
    "n_iter_no_change": AnyOf([Number(low=1, whole=True), OneOf({math.inf})]),
    "max_fun": Number(low=1, whole=True),
    "dropout": Number(low=0, high=1, open_high=True),
    "weight_decay": Number(low=0),
    "input_norm": OneOf({None, "batch"}),
    "n_members": Number(low=1, whole=True),
    "dtype": OneOf({"auto", "float32", "float64"}),
    "unscaled_input": OneOf({"ignore", "raise", "warn"}),
}


def learns_in_steps(estimator: Any) -> bool:
    """Return whether the solver can learn from one batch after another, or raise."""
    able = [name for name, solver in SOLVERS.items() if solver.partial_fit]
    if estimator.solver in [name for name in SOLVERS if name not in able]:
        *first, last = map(repr, able)
        msg = f"partial_fit is available with solver {', '.join(first)} or {last} only."
        raise AttributeError(msg)
    return True


def check(estimator: Any) -> None:
    """Refuse unfit parameters before any work."""
    check_parameters({name: getattr(estimator, name) for name in RULES}, RULES)
    solver = SOLVERS[estimator.solver]
    if estimator.dropout > 0 and not solver.dropout:
        msg = (
            f"dropout must be 0 with solver={shown(estimator.solver)}, got "
            f"{shown(estimator.dropout)}."
        )
        raise ValueError(msg)
    if estimator.input_norm and estimator.batch_size == 1 and not solver.full_batch:
        msg = "batch_size must be >= 2 with input_norm='batch', got 1."
        raise ValueError(msg)
    check_class_weight(estimator.class_weight)


def check_for_stream(estimator: Any) -> None:
    """Refuse parameters with which ``partial_fit`` cannot work."""
    if estimator.early_stopping:
        msg = "early_stopping must be False for partial_fit, got True."
        raise ValueError(msg)
    if isinstance(estimator.class_weight, str):
        msg = (
            f"class_weight must be None or a dict for partial_fit, got "
            f"{shown(estimator.class_weight)}: one batch does not tell how frequent "
            "the classes are. Pass a dict, or sample_weight."
        )
        raise ValueError(msg)


def decided(estimator: Any, n_rows: int, max_iter: int) -> Settings:
    """Return the settings of a fit, everything automatic decided."""
    names = [one.name for one in fields(Settings)]
    values = {name: _plain(getattr(estimator, name)) for name in names}
    size = AUTO_BATCH_SIZE if estimator.batch_size == "auto" else estimator.batch_size
    if SOLVERS[estimator.solver].full_batch:
        size = n_rows
    values["batch_size"] = min(int(size), n_rows)
    values["hidden_layer_sizes"] = layer_sizes(estimator.hidden_layer_sizes)
    values["max_iter"] = max_iter
    values["verbose"] = bool(estimator.verbose)
    if estimator.dtype == "auto":
        whole = values["batch_size"] >= n_rows
        values["dtype"] = "float64" if whole else "float32"
    return Settings(**values)


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the number, text or truth value that it is."""
    return value.item() if isinstance(value, np.generic) else value
