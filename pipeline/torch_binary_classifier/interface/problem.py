"""What one fit has to learn from; knows arrays and fitted networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.inference.encoding import Encoding
from torch_binary_classifier.inference.forward import FittedNetwork
from torch_binary_classifier.interface.settings import Settings


@dataclass(frozen=True)
class WeightedRows:
    """Checked rows of positive weight.

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n_rows, n_features)
    targets : ndarray of shape (n_rows,)
        0.0 or 1.0.
    weights : ndarray of shape (n_rows,)
        Row weights > 0, class weights included.
    """

    features: Any
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Past:
    """What a fit goes on from.

    Parameters
    ----------
    networks : sequence of FittedNetwork
        One of each member.
    standardisation : (ndarray, ndarray) or None
        Shift and scale of each column in front of a normalisation.
    optimizer_states : sequence of dict or None
        ``moments`` by name, ``n_steps`` and ``n_epochs`` of each member. None if they
        were not kept.
    n_epochs : int
        Epochs so far, of the member that was trained longest.
    dtype : {"float32", "float64"}
        Precision of the networks.
    """

    networks: Sequence[FittedNetwork]
    standardisation: tuple[Any, Any] | None
    optimizer_states: Sequence[dict[str, Any]] | None
    n_epochs: int
    dtype: str


@dataclass(frozen=True)
class Problem:
    """One fit, ready for the trainer.

    Parameters
    ----------
    rows : WeightedRows
        Training rows, those that members hold out included.
    settings : Settings
    seeds : list of int
        Seed of each member.
    splits : list of (ndarray, ndarray) or None
        Each member's training rows and held-out rows; None if none holds out any.
    watched : WeightedRows or None
        A validation set shared by all members.
    past : Past or None
        What the members go on from.
    column_names : sequence of str
        For messages.
    encoding : Encoding or None
        What the networks see of the columns; None for the columns as they are.
    encoding_name : str or None
        The parameter's value that it follows from.
    """

    rows: WeightedRows
    settings: Settings
    seeds: list[int]
    splits: list[tuple[NDArray[np.intp], NDArray[np.intp]]] | None
    watched: WeightedRows | None
    past: Past | None
    column_names: Sequence[str]
    encoding: Encoding | None = None
    encoding_name: str | None = None
