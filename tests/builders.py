"""Small classifiers, pipelines, tables and streams that many test modules make."""

import io

import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.rows import DenseRows, RowSet
from torch_binary_classifier.training.run import Training

# What MLPClassifier's defaults are: one network of the columns as they are.
MLP = {
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "alpha": 0.0001,
    "batch_size": 200,
    "learning_rate_init": 0.001,
    "early_stopping": False,
    "n_iter_no_change": 10,
    "dropout": 0.0,
    "encoding": None,
    "input_factors": False,
    "weight_average": 0.0,
    "n_members": 1,
}


def mlp(**parameters):
    """Return a classifier of one network, as MLPClassifier trains it."""
    return TorchBinaryClassifier(**MLP | parameters)


def network(**parameters):
    """Return a small classifier that is silent about its few epochs."""
    given = {
        "hidden_layer_sizes": (8,),
        "max_iter": 4,
        "learning_rate": "cosine",
        "learning_rate_init": 0.02,
        "batch_size": 32,
        "random_state": 0,
    }
    return mlp(**given | parameters)


def pipe(**parameters):
    """Return a small classifier behind a scaler."""
    return Pipeline([("scale", StandardScaler()), ("clf", network(**parameters))])


def make_table(n_rows=60, n_features=5, *, dtype=torch.float64, seed=0, weighted=False):
    """Return rows as the trainer takes them, with something to learn."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n_rows, n_features, generator=generator, dtype=dtype)
    y = (X[:, 0] - X[:, 1] ** 2 + 0.5 > 0).to(dtype)
    weights = torch.ones(n_rows, dtype=torch.float64)
    if weighted:
        weights = torch.rand(n_rows, generator=generator, dtype=torch.float64) + 0.2
    return RowSet(DenseRows(X), torch.arange(n_rows), y, weights)


def make_training(table, validation=None, *, solver="adam"):
    """Return what a fit of one member hands to the trainer."""
    member = Member(table, Hyperparameters(seed=0), validation)
    n_features, dtype = table.features.n_features, table.targets.dtype
    architecture = Architecture(n_features, (), "relu", None, dtype)
    return Training(architecture, solver, [member], 4, "cpu", False)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True
