"""The members of one fit, ready to be trained: rows, hyperparameters and past."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from scipy.special import logit

from torch_binary_classifier.inference.piecewise import has_many_bins
from torch_binary_classifier.interface.problem import Past, Problem
from torch_binary_classifier.interface.settings import (
    Hyperparameters,
    MemberSettings,
    Settings,
)
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.training.device import resolve_device
from torch_binary_classifier.training.diagnosis import check_settings
from torch_binary_classifier.training.given_rows import GivenRows, subset
from torch_binary_classifier.training.interpolation import Interpolation
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member, MemberState
from torch_binary_classifier.training.normalisation import BATCH_NORM_EPSILON
from torch_binary_classifier.training.rows import RowSet
from torch_binary_classifier.training.run import Training
from torch_binary_classifier.training.standardisation import Standardisation

RAREST_PRIOR = 1e-6

# From so many rows on, first layers behind many bins interpolate. Smaller tables keep
# the rounding of the products.
INTERPOLATED_ROWS = 50_000


def prepared(problem: Problem, standardisation: Standardisation | None) -> Training:
    """Return the members of a fit and the program that is to train them."""
    settings, past = problem.settings, problem.past
    name = past.dtype if past else settings.dtype
    check_settings(settings, name, float(problem.rows.weights.mean()))
    full_batch = SOLVERS[settings.solver].full_batch
    device = "cpu" if full_batch else resolve_device(settings.device)
    interpolation = _interpolation(problem, device, name)
    tables = GivenRows(
        standardisation, problem.column_names, problem.encoding, interpolation
    )
    members = _members(problem, tables, getattr(torch, name))
    if settings.input_norm is not None and len(members[0].train) < 2:
        msg = "X must have at least 2 rows with input_norm='batch', got 1 sample."
        raise ValueError(msg)
    encoding = problem.encoding
    features = members[0].train.features
    architecture = Architecture(
        features.n_features if encoding is None else encoding.n_inputs,
        settings.hidden_layer_sizes,
        settings.activation,
        settings.input_norm,
        getattr(torch, name),
        settings.input_factors,
        None if encoding is None else encoding.fan_in,
        interpolation,
    )
    return Training(
        architecture,
        settings.solver,
        members,
        settings.batch_size,
        device,
        settings.verbose,
    )


def _interpolation(problem: Problem, device: str, dtype: str) -> Interpolation | None:
    """Return how the first layers interpolate, None where they do not."""
    encoding, settings = problem.encoding, problem.settings
    if (
        encoding is None
        or not settings.hidden_layer_sizes
        or SOLVERS[settings.solver].full_batch
        or torch.device(device).type != "cpu"
        or len(problem.rows.targets) < INTERPOLATED_ROWS
        or not has_many_bins(encoding)
    ):
        return None
    return Interpolation.of(encoding, np.dtype(dtype))


def _members(problem: Problem, tables: GivenRows, dtype: torch.dtype) -> list[Member]:
    """Return the members, which share one table."""
    table = tables.of(problem.rows, dtype)
    watched = None if problem.watched is None else tables.of(problem.watched, dtype)
    members = []
    for number, seed in enumerate(problem.seeds):
        train, validation = table, watched
        if problem.splits is not None:
            train, validation = (subset(table, part) for part in problem.splits[number])
        given = _hyperparameters(problem.settings, seed, train)
        state = None if problem.past is None else _state(problem.past, number)
        members.append(Member(train, given, validation, state))
    return members


def bounded(share: float) -> float:
    """Return a share of the second class that has a logit."""
    return float(np.clip(share, RAREST_PRIOR, 1 - RAREST_PRIOR))


def _hyperparameters(settings: Settings, seed: int, train: RowSet) -> Hyperparameters:
    """Return one member's hyperparameters."""
    given = {one.name: getattr(settings, one.name) for one in fields(MemberSettings)}
    targets = train.targets.numpy()[train.index.numpy()].astype(np.float64)
    weights = train.weights.numpy()[train.index.numpy()]
    share = float((targets * weights).sum() / weights.sum())
    if targets.min() == targets.max():  # a stream may begin with one class
        share = 0.5
    return Hyperparameters(seed=seed, output_bias=float(logit(bounded(share))), **given)


def _state(past: Past, member: int) -> MemberState:
    """Return the state a member goes on from."""
    network = past.networks[member]
    kept = past.optimizer_states[member] if past.optimizer_states else {}
    moments = {
        name: torch.tensor(value) for name, value in kept.get("moments", {}).items()
    }
    coefs = [torch.tensor(coef) for coef in network.coefs]
    mean, variance = None, None
    if past.standardisation is not None:
        assert network.input_mean is not None
        assert network.input_deviation is not None
        shift, scale = past.standardisation
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
        kept.get("n_epochs", past.n_epochs),
    )
