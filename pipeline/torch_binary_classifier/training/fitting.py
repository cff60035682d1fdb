"""From checked arrays to trained members and back: where NumPy meets tensors.

Knows arrays and the trainer; nothing of labels, estimators or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import torch
from scipy.special import logit, xlog1py, xlogy
from torch import Tensor

from torch_binary_classifier.training.diagnosis import check_settings, divergence
from torch_binary_classifier.training.engine import fit_many
from torch_binary_classifier.training.interruption import Stop, never, stopped_by_user
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.lbfgs import fit_lbfgs
from torch_binary_classifier.training.members import (
    EpochReport,
    Hyperparameters,
    Member,
    MemberResult,
    MemberState,
)
from torch_binary_classifier.training.normalisation import BATCH_NORM_EPSILON
from torch_binary_classifier.training.optimizer import OPTIMIZERS
from torch_binary_classifier.training.rows import DenseRows, Rows, RowSet, SparseRows
from torch_binary_classifier.training.standardisation import Standardisation
from torch_binary_classifier.training.trainer import thread_trainer

MEMBER_SETTINGS = [
    name
    for name in Hyperparameters.__dataclass_fields__
    if name not in {"seed", "output_bias"}
]
RAREST_PRIOR = 1e-6


@dataclass(frozen=True)
class FitData:
    """Checked rows of positive weight.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
    targets : ndarray of shape (n_rows,)
        0.0 or 1.0.
    weights : ndarray of shape (n_rows,)
        Row weights > 0, class weights included.
    classes : ndarray of shape (2,)
    positions : ndarray of shape (n_rows,)
        Place of each row in the data as given.
    n_given : int
        Rows of the data as given.
    """

    features: Any
    targets: Any
    weights: Any
    classes: Any
    positions: Any
    n_given: int


@dataclass(frozen=True)
class FittedMembers:
    """The members' weights, layer by layer, and how the training went.

    ``worst_loss`` is the highest of the members' cross-entropies on the rows that they
    watched, in the end; ``prior_loss`` that of the class frequencies alone.
    ``input_mean`` and ``input_deviation`` are what each member's normalisation
    subtracts and divides by, in the units of the features; the standardisation in
    front of it is included.
    """

    coefs: list[list[Any]]
    intercepts: list[list[Any]]
    standardisation: Standardisation | None
    input_mean: list[Any] | None
    input_deviation: list[Any] | None
    loss_curve: list[float]
    validation_loss_curve: list[float]
    best_loss: float
    worst_loss: float
    prior_loss: float
    n_iter: int
    converged: bool
    interrupted: bool
    optimizer_state: list[dict[str, Any]]


@dataclass(frozen=True)
class Training:
    """The networks of one fit, ready to be trained, and the program that does it.

    Parameters
    ----------
    architecture : Architecture
        Shared by all members.
    solver : {"adam", "adamw", "sgd", "lbfgs"}
    members : list of Member
    batch_size : int
        Rows per step and member.
    device : str
        A torch device.
    verbose : bool
        Whether to print the losses of every epoch.
    """

    architecture: Architecture
    solver: str
    members: list[Member]
    batch_size: int
    device: str
    verbose: bool


def train_members(
    data: FitData,
    settings: dict[str, Any],
    *,
    seeds: Sequence[int],
    splits: list[tuple[Any, Any]] | None,
    held_out: FitData | None,
    past: dict[str, Any] | None,
    column_names: Sequence[str],
) -> FittedMembers:
    """Train one member per seed, in the company that the thread's trainer finds.

    Parameters
    ----------
    data : FitData
        Training rows.
    settings : dict
        The estimator's parameters, automatic ones decided.
    seeds : sequence of int
        Seed of each member.
    splits : list of (ndarray, ndarray) or None
        Training and held-out rows of each member.
    held_out : FitData or None
        A validation set shared by all members.
    past : dict or None
        Networks and optimizer state to go on from.
    column_names : sequence of str
        For messages.

    Returns
    -------
    FittedMembers

    Raises
    ------
    ValueError
        If a value overflows, batch normalisation has one row only, or the training
        diverges.
    """
    standardisation = _standardisation(data, settings, past)
    # No name for the training here: its tables are freed where equal ones are known.
    train_all = thread_trainer()
    if past is not None or train_all is None:  # a run that goes on has no company
        train_all = _train_alone
    results = train_all(
        _prepared(
            data,
            settings,
            seeds,
            splits,
            held_out,
            past,
            _Tables(standardisation, column_names),
        )
    )
    prior_loss = _prior_loss(data, data if held_out is None else held_out)
    _check_finite_results(results, settings, float(data.weights.mean()))
    worst_loss = max(_final_loss(one, data, settings) for one in results)
    return _fitted(results, standardisation, worst_loss, prior_loss)


def _final_loss(result: MemberResult, data: FitData, settings: dict[str, Any]) -> float:
    """Return a member's cross-entropy on the rows that it watched, in the end."""
    if result.validation_loss_curve:
        return min(result.validation_loss_curve)
    n_batches = -(-len(data.targets) // settings["batch_size"])
    strength = settings["alpha"] * n_batches / (2 * data.weights.sum())
    squares = sum(float(coef.double().square().sum()) for coef in result.state.coefs)
    return float(result.loss_curve[-1] - strength * squares)


def _prior_loss(data: FitData, watched: FitData) -> float:
    """Return the loss on watched rows if every row gets the training rows' prior."""
    share = _bounded(np.average(data.targets, weights=data.weights))
    found = np.average(watched.targets, weights=watched.weights)
    return float(-(xlogy(found, share) + xlog1py(1 - found, -share)))


def _bounded(share: float) -> float:
    """Return a share of the second class that has a logit."""
    return float(np.clip(share, RAREST_PRIOR, 1 - RAREST_PRIOR))


def _train_alone(training: Training) -> list[MemberResult]:
    """Train now, to the end or until the user has had enough."""
    with stopped_by_user() as stop:
        results = run(training, stop=stop)
        if not stop():
            return results
    if not all(one.loss_curve for one in results):
        raise KeyboardInterrupt  # there is nothing to keep of some members
    return [replace(one, interrupted=True) for one in results]


def _standardisation(
    data: FitData, settings: dict[str, Any], past: dict[str, Any] | None
) -> Standardisation | None:
    """Return how features are brought near zero and one before a normalisation."""
    if settings["input_norm"] is None:
        return None
    if past is not None:
        return Standardisation(*past["standardisation"])
    return Standardisation.of(data.features, data.weights)


def _prepared(
    data: FitData,
    settings: dict[str, Any],
    seeds: Sequence[int],
    splits: list[tuple[Any, Any]] | None,
    held_out: FitData | None,
    past: dict[str, Any] | None,
    tables: _Tables,
) -> Training:
    """Return the members that ``train_members`` is to train."""
    name = past["dtype"] if past else settings["dtype"]
    check_settings(settings, name, float(data.weights.mean()))
    dtype = getattr(torch, name)
    table = tables.of(data, dtype)
    watched = None if held_out is None else tables.of(held_out, dtype)
    members = []
    for number, seed in enumerate(seeds):
        train, validation = table, watched
        if splits is not None:
            train = _subset(table, splits[number][0])
            validation = _subset(table, splits[number][1])
        given = _hyperparameters(settings, seed, train)
        state = None if past is None else _state(past, number, settings["solver"])
        members.append(Member(train, given, validation, state))
    if settings["input_norm"] is not None and len(members[0].train) < 2:
        msg = "X must have at least 2 rows with input_norm='batch', got 1 sample."
        raise ValueError(msg)
    return _training(settings, table.features.n_features, dtype, members)


def _training(
    settings: dict[str, Any],
    n_features: int,
    dtype: torch.dtype,
    members: list[Member],
) -> Training:
    """Return the members with the program that is to train them."""
    architecture = Architecture(
        n_features,
        settings["hidden_layer_sizes"],
        settings["activation"],
        settings["input_norm"],
        dtype,
    )
    solver = settings["solver"]
    device = "cpu" if solver == "lbfgs" else resolve_device(settings["device"])
    return Training(
        architecture,
        solver,
        members,
        settings["batch_size"],
        device,
        bool(settings["verbose"]),
    )


def run(
    training: Training, report: EpochReport | None = None, stop: Stop = never
) -> list[MemberResult]:
    """Train members by their solver's program, now and in this thread.

    Parameters
    ----------
    training : Training
        What to train.
    report : callable, optional
        Called with (member, epoch, loss, validation loss or None); the losses are
        printed where the training asks for it and no other report is given.
    stop : callable, optional
        Asked now and then whether the training is to end as it is.

    Returns
    -------
    list of MemberResult
        In the order of the members.
    """
    if report is None and training.verbose:
        report = print_epoch
    if training.solver == "lbfgs":
        return fit_lbfgs(training.architecture, training.members, report, stop)
    return fit_many(
        training.architecture,
        training.solver,
        training.members,
        batch_size=training.batch_size,
        device=training.device,
        report=report,
        stop=stop,
    )


def resolve_device(device: str) -> str:
    """Return the torch device that a ``device`` parameter means.

    Raises
    ------
    ValueError
        If the device is unknown or not there.
    """
    if device == "auto":
        return "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        msg = f"device must be 'auto', 'cpu' or a device that is there, got {device!r}."
        raise ValueError(msg) from error
    return device


def print_epoch(member: int, epoch: int, loss: float, held_out: float | None) -> None:
    """Print one epoch's losses, as MLPClassifier does."""
    tail = "" if held_out is None else f", validation loss = {held_out:.8f}"
    print(f"Member {member}, iteration {epoch}, loss = {loss:.8f}{tail}")  # noqa: T201


@dataclass(frozen=True)
class _Tables:
    """How checked rows become tensors.

    Parameters
    ----------
    standardisation : Standardisation or None
        What is done to the features on the way.
    names : sequence of str
        The columns, for messages.
    """

    standardisation: Standardisation | None
    names: Sequence[str]

    def of(self, data: FitData, dtype: torch.dtype) -> RowSet:
        """Return rows as tensors, the features without a copy where possible."""
        numpy_dtype = np.dtype(str(dtype).removeprefix("torch."))
        kind = self._sparse if scipy.sparse.issparse(data.features) else self._dense
        features = kind(data, numpy_dtype)
        # By NumPy: torch would start a pool of its own in every thread that prepares
        # a fit.
        index = torch.from_numpy(np.arange(len(data.targets)))
        targets = torch.from_numpy(data.targets.astype(numpy_dtype))
        weights = torch.from_numpy(data.weights.astype(np.float64))
        return RowSet(features, index, targets, weights)

    def _sparse(self, data: FitData, dtype: np.dtype[Any]) -> Rows:
        """Return a sparse table; a standardisation needs the values as they are."""
        if self.standardisation is not None:
            return SparseRows(data.features, self.standardisation)
        with np.errstate(over="ignore"):
            matrix = data.features.astype(dtype, copy=False)
        _check_finite(matrix.data, data, dtype, self.names)
        return SparseRows(matrix)

    def _dense(self, data: FitData, dtype: np.dtype[Any]) -> Rows:
        """Return a dense table."""
        if self.standardisation is not None:
            dense = np.empty(data.features.shape, dtype)
            self.standardisation.apply(data.features, dense)
        else:
            with np.errstate(over="ignore"):
                dense = np.asarray(data.features, dtype=dtype)
        if dense.dtype != data.features.dtype or self.standardisation is not None:
            _check_finite(dense, data, dtype, self.names)
        return DenseRows(tensor_over(dense))


def _check_finite(
    values: Any, data: FitData, dtype: np.dtype[Any], names: Sequence[str]
) -> None:
    """Refuse values that overflowed in the network's precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    largest: Any = abs(data.features).max(axis=0)
    if scipy.sparse.issparse(data.features):
        largest = largest.toarray().ravel()
    column = int(np.argmax(largest))
    msg = (
        f"{names[column]} must hold values that {dtype} can represent, got "
        f"{float(largest[column])!r}. Set dtype='float64' or rescale the column."
    )
    raise ValueError(msg)


class _Interface:
    """A read-only array offered as writable, because torch knows no other kind."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = dict(array.__array_interface__)
        self.__array_interface__["data"] = (array.ctypes.data, False)


def tensor_over(array: Any) -> Tensor:
    """Return a tensor over an array's memory; it is never written to."""
    if not array.flags.writeable:
        array = np.asarray(_Interface(array))
    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def _subset(table: RowSet, rows: Any) -> RowSet:
    """Return some rows of a table."""
    index = torch.from_numpy(np.sort(rows).astype(np.int64))
    return RowSet(table.features, index, table.targets, table.weights)


def _hyperparameters(
    settings: dict[str, Any], seed: int, train: RowSet
) -> Hyperparameters:
    """Return one member's hyperparameters."""
    given = {name: settings[name] for name in MEMBER_SETTINGS}
    targets = train.targets.numpy()[train.index.numpy()].astype(np.float64)
    weights = train.weights.numpy()[train.index.numpy()]
    share = float((targets * weights).sum() / weights.sum())
    if targets.min() == targets.max():  # a stream may begin with one class
        share = 0.5
    return Hyperparameters(
        seed=seed, output_bias=float(logit(_bounded(share))), **given
    )


def _state(past: dict[str, Any], member: int, solver: str) -> MemberState:
    """Return the state a member goes on from; another solver's moments are left."""
    network = past["networks"][member]
    kept = past["optimizer"][member] if past["optimizer"] else {}
    moments = {
        name: torch.tensor(value) for name, value in kept.get("moments", {}).items()
    }
    known = OPTIMIZERS[solver].moment_names if solver in OPTIMIZERS else ()
    if set(moments) != set(known):
        moments, kept = {}, kept | {"n_steps": 0}
    coefs = [torch.tensor(coef) for coef in network.coefs]
    mean, variance = None, None
    if network.input_mean is not None:
        shift, scale = past["standardisation"]
        found = (network.input_mean - shift) / scale
        mean = torch.tensor(found, dtype=coefs[0].dtype)
        squares = (network.input_deviation / scale) ** 2 - BATCH_NORM_EPSILON
        variance = torch.tensor(squares, dtype=coefs[0].dtype)
    return MemberState(
        coefs,
        [torch.tensor(intercept) for intercept in network.intercepts],
        mean,
        variance,
        moments,
        kept.get("n_steps", 0),
        kept.get("n_epochs", past["n_epochs"]),
    )


def _check_finite_results(
    results: list[MemberResult], settings: dict[str, Any], row_weight: float
) -> None:
    """Refuse the results of a training that has diverged."""
    for result in results:
        if result.diverged_epoch is not None:
            dtype = str(result.state.coefs[0].dtype).removeprefix("torch.")
            raise ValueError(
                divergence(result.diverged_epoch, settings, dtype, row_weight)
            )


def _fitted(
    results: list[MemberResult],
    standardisation: Standardisation | None,
    worst_loss: float,
    prior_loss: float,
) -> FittedMembers:
    """Return the members' results as plain numbers."""
    states = [result.state for result in results]
    n_layers = len(states[0].coefs)
    mean, deviation = _normalisations(states, standardisation)
    watched = [one.validation_loss_curve or one.loss_curve for one in results]
    return FittedMembers(
        [[one.coefs[layer].numpy() for one in states] for layer in range(n_layers)],
        [
            [one.intercepts[layer].numpy() for one in states]
            for layer in range(n_layers)
        ],
        standardisation,
        mean,
        deviation,
        _mean_curve([one.loss_curve for one in results]),
        _mean_curve([one.validation_loss_curve for one in results]),
        float(np.mean([min(curve) for curve in watched])),
        worst_loss,
        prior_loss,
        max(len(one.loss_curve) for one in results),
        all(one.converged for one in results),
        any(one.interrupted for one in results),
        [
            {
                "moments": {name: value.numpy() for name, value in one.moments.items()},
                "n_steps": one.n_steps,
                "n_epochs": one.n_epochs,
            }
            for one in states
        ],
    )


def _normalisations(
    states: Sequence[MemberState], standardisation: Standardisation | None
) -> tuple[list[Any] | None, list[Any] | None]:
    """Return what each member subtracts from the features and divides them by."""
    if standardisation is None:
        return None, None
    shift, scale = standardisation.shift, standardisation.scale
    means, deviations = [], []
    for state in states:
        assert state.input_mean is not None
        assert state.input_variance is not None
        means.append(shift + scale * state.input_mean.double().numpy())
        variance = state.input_variance.double().numpy()
        deviations.append(scale * np.sqrt(variance + BATCH_NORM_EPSILON))
    return means, deviations


def _mean_curve(curves: list[list[float]]) -> list[float]:
    """Average curves epoch by epoch; a member that has ended keeps its last value."""
    length = max(len(curve) for curve in curves)
    filled = [curve + [curve[-1]] * (length - len(curve)) for curve in curves if curve]
    if not filled:
        return []
    return [math.fsum(values) / len(values) for values in zip(*filled, strict=True)]
