"""Settings that follow from parameters."""

import inspect
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from builders import mlp
from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.automatic import plan_of
from torch_binary_classifier.estimator.parameters import RULES
from torch_binary_classifier.interface.settings import Hyperparameters, Settings

PARAMETERS = set(inspect.signature(TorchBinaryClassifier).parameters)


def test_settings_are_parameters():
    names = {one.name for one in fields(Settings)}
    apart = {"random_state", "class_weight", "n_members", "unscaled_input"}
    apart |= {"encoding", "n_bins"}
    apart |= {"warm_start", "early_stopping", "validation_fraction"}
    apart |= {"prior_correction", "calibrate"}
    assert names == PARAMETERS - apart
    own = {"seed", "output_bias"}
    assert {one.name for one in fields(Hyperparameters)} - own <= names


def test_all_parameters_but_three_have_a_rule():
    assert set(RULES) == PARAMETERS - {"random_state", "class_weight", "device"}


def decided(n_rows, **given):
    """Return the settings of three epochs of one network."""
    targets = np.arange(n_rows) % 2
    (kind,) = plan_of(mlp(**given), targets.astype(float), max_iter=3).kinds
    return kind.settings


def test_settings_are_frozen_and_of_python():
    given = {"alpha": np.float64(0.5), "solver": np.str_("sgd"), "verbose": 2}
    found = decided(60, hidden_layer_sizes=np.int64(7), **given)
    assert (type(found.alpha), type(found.solver)) == (float, str)
    assert (found.hidden_layer_sizes, found.max_iter, found.verbose) == ((7,), 3, 2)
    with pytest.raises(FrozenInstanceError):
        found.alpha = 1.0


@pytest.mark.parametrize(
    ("given", "n_rows", "size", "dtype"),
    [
        ({}, 60, 60, "float64"),
        ({}, 600, 200, "float32"),
        ({"batch_size": 600}, 600, 600, "float64"),
        ({"batch_size": 32}, 600, 32, "float32"),
        ({"batch_size": 32, "dtype": "float64"}, 600, 32, "float64"),
        ({"dtype": "float32"}, 60, 60, "float32"),
        ({"solver": "lbfgs", "batch_size": 32}, 600, 600, "float64"),
    ],
)
def test_what_is_automatic_is_decided(given, n_rows, size, dtype):
    found = decided(n_rows, **given)
    assert (found.batch_size, found.dtype) == (size, dtype)
