"""What "auto" becomes: by the rows of a fit, its classes and the kind of network.

A fit trains networks of one kind or of several. A kind has its own inputs (the columns
as they are, or cut into bins) and its own settings; where a parameter is "auto", each
kind takes what suits it, and where it is given, all take that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.estimator.kinds import kinds_of
from torch_binary_classifier.estimator.rules import layer_sizes
from torch_binary_classifier.interface.settings import Settings
from torch_binary_classifier.interface.solvers import SOLVERS

AUTO = "auto"
MIXED = "mixed"


def is_auto(value: object) -> bool:
    """Return whether a parameter is left to the fit; arrays can be compared so."""
    return isinstance(value, str) and value == AUTO


# The fields of `Settings` that can be automatic, by kind and from so many rows on.
# Plain networks are MLPClassifier's with a higher rate, which suits rows held out.
_PLAIN = {
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "alpha": 1e-4,
    "batch_size": 200,
    "learning_rate_init": 0.003,
    "n_iter_no_change": 7,
    "dropout": 0.0,
    "input_factors": False,
    "weight_average": 0.0,
}
_PIECEWISE = {
    "hidden_layer_sizes": (64,),
    "activation": "silu",
    "alpha": 0.1,
    "batch_size": 64,
    "learning_rate_init": 0.006,
    "n_iter_no_change": 7,
    "dropout": 0.2,
    "input_factors": True,
    "weight_average": 0.98,
}
_DEEPER = {
    "hidden_layer_sizes": (64, 64),
    "batch_size": 128,
    "learning_rate_init": 0.005,
    "n_iter_no_change": 10,
    "dropout": 0.1,
}
_FASTER = _DEEPER | {
    "batch_size": 256,
    "learning_rate_init": 0.004,
    "n_iter_no_change": 8,
    "weight_average": 0.95,
}
_FASTEST = _FASTER | {
    "batch_size": 1024,
    "learning_rate_init": 0.008,
    "n_iter_no_change": 3,
    "weight_average": 0.995,
}
# Held-out losses of this many rows are hardly noisy, and epochs are long.
_SOONEST = _FASTEST | {"n_iter_no_change": 1, "weight_average": 0.998}
MEDIUM, LARGE, VERY_LARGE, HUGE = 4_000, 10_000, 50_000, 200_000

_BY_ROWS: Mapping[str | None, Sequence[tuple[int, Mapping[str, Any]]]] = {
    None: [
        (0, _PLAIN),
        (MEDIUM, {"n_iter_no_change": 10}),
        (VERY_LARGE, {"batch_size": 1024, "n_iter_no_change": 4}),
    ],
    "piecewise": [
        (0, _PIECEWISE),
        (MEDIUM, _DEEPER),
        (LARGE, _FASTER),
        (VERY_LARGE, _FASTEST),
        (HUGE, _SOONEST),
    ],
}
_N_MEMBERS = [(0, 8), (MEDIUM, 5), (LARGE, 4)]
_ROWS_PER_BIN = 15  # in small tables
_N_BINS = [(0, 16), (MEDIUM, 32), (LARGE, 64)]
# SGD's steps are as long as the gradient, Adam's are not.
_SGD_RATE = 0.02


@dataclass(frozen=True)
class Kind:
    """Networks of a fit that are alike.

    Parameters
    ----------
    encoding : {None, "piecewise"}
    n_bins : int
        For the encoding.
    settings : Settings
    """

    encoding: str | None
    n_bins: int
    settings: Settings


@dataclass(frozen=True)
class Plan:
    """What a fit is to do, nothing of it automatic any more.

    Parameters
    ----------
    n_members : int
        Networks of each kind.
    early_stopping : bool
        Whether each holds out rows of the table.
    kinds : list of Kind
    """

    n_members: int
    early_stopping: bool
    kinds: list[Kind]

    @property
    def largest_rate(self) -> float:
        """Highest learning rate of all kinds."""
        return max(kind.settings.learning_rate_init for kind in self.kinds)


def plan_of(
    estimator: Any,
    targets: NDArray[np.float64],
    *,
    max_iter: int,
    watched: bool = False,
    stream: bool = False,
    going_on: bool = False,
) -> Plan:
    """Return the plan of a fit.

    Parameters
    ----------
    estimator : estimator
        Whose parameters have been checked.
    targets : ndarray of shape (n_rows,)
        Of the rows of positive weight, 0.0 or 1.0.
    max_iter : int
        Epochs at most.
    watched : bool
        Whether there is a validation set beside the table.
    stream : bool
        Whether the rows are a part of those to come.
    going_on : bool
        Whether the estimator's networks are trained further.
    """
    before = kinds_of(estimator) if going_on else []
    n_rows = len(targets)
    names = _encodings(estimator, n_rows, stream=stream)
    if before:
        names = [kind.get("_encoding_name") for kind in before]
    kinds = [_kind(estimator, name, n_rows, max_iter) for name in names]
    if before:
        pairs = zip(kinds, before, strict=True)
        kinds = [_as_before(estimator, kind, state) for kind, state in pairs]
    smallest = int(np.bincount(targets.astype(int), minlength=2).min())
    n_members = estimator.n_members
    if is_auto(n_members):
        n_members = 1 if stream else _of_rows(_N_MEMBERS, n_rows)
        if estimator.early_stopping and not (watched or stream) and smallest > 1:
            n_members = min(n_members, smallest)
    if before:
        n_members = len(before[0]["_member_seeds"])
    holds_out = estimator.early_stopping
    if is_auto(holds_out):
        enough = smallest >= max(2, n_members)
        if before:
            enough = estimator.validation_loss_curve_ is not None
        holds_out = enough and not stream
    return Plan(
        int(n_members), bool(holds_out) and not watched, _of_one_dtype(kinds, n_rows)
    )


def _encodings(estimator: Any, n_rows: int, *, stream: bool) -> list[str | None]:
    """Return the encoding of each kind of network."""
    name = estimator.encoding
    if is_auto(name):
        alone = stream or estimator.input_norm or not SOLVERS[estimator.solver].steps
        large = "piecewise" if n_rows >= MEDIUM else MIXED
        name = None if alone else large
    return [None, "piecewise"] if name == MIXED else [name]


def _kind(estimator: Any, encoding: str | None, n_rows: int, max_iter: int) -> Kind:
    """Return one kind of network, its own automatic values put in."""
    names = [one.name for one in fields(Settings)]
    values = {name: _plain(getattr(estimator, name)) for name in names}
    own: dict[str, Any] = {}
    for rows, update in _BY_ROWS[encoding]:
        if n_rows >= rows:
            own |= update
    solver = SOLVERS[estimator.solver]
    if not solver.dropout:
        own["dropout"] = 0.0
    if not solver.steps:
        own |= {"input_factors": False, "weight_average": 0.0}
    if estimator.solver == "sgd":
        own["learning_rate_init"] = _SGD_RATE
    values |= {name: value for name, value in own.items() if is_auto(values[name])}
    size = n_rows if solver.full_batch else values["batch_size"]
    values["batch_size"] = min(int(size), n_rows)
    values["hidden_layer_sizes"] = layer_sizes(values["hidden_layer_sizes"])
    values["max_iter"] = max_iter
    values["verbose"] = int(estimator.verbose)
    n_bins = estimator.n_bins
    if is_auto(n_bins):
        n_bins = min(max(2, n_rows // _ROWS_PER_BIN), _of_rows(_N_BINS, n_rows))
    return Kind(encoding, int(n_bins), Settings(**values))


def _as_before(estimator: Any, kind: Kind, state: Mapping[str, Any]) -> Kind:
    """Return a kind with the network of the fit before, where that is automatic."""
    network: dict[str, Any] = {}
    if is_auto(estimator.hidden_layer_sizes):
        widths = tuple(coef.shape[-1] for coef in state["coefs_"][:-1])
        network["hidden_layer_sizes"] = widths
    if is_auto(estimator.activation):
        network["activation"] = state["activation_"]
    return replace(kind, settings=replace(kind.settings, **network))


def _of_one_dtype(kinds: Sequence[Kind], n_rows: int) -> list[Kind]:
    """Decide the precision: that of all networks, which share the rows."""
    dtype = kinds[0].settings.dtype
    if is_auto(dtype):
        whole = all(kind.settings.batch_size >= n_rows for kind in kinds)
        dtype = "float64" if whole else "float32"
    return [
        replace(kind, settings=replace(kind.settings, dtype=dtype)) for kind in kinds
    ]


def _of_rows(table: Sequence[tuple[int, int]], n_rows: int) -> int:
    """Return the last entry of a table that so many rows reach."""
    return [value for rows, value in table if n_rows >= rows][-1]


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the number, text or truth value that it is."""
    return value.item() if isinstance(value, np.generic) else value
