"""Settings that follow from parameters."""

import inspect
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.parameters import RULES, decided
from torch_binary_classifier.interface.settings import Hyperparameters, Settings

PARAMETERS = set(inspect.signature(TorchBinaryClassifier).parameters)


def test_settings_are_parameters():
    names = {one.name for one in fields(Settings)}
    apart = {"random_state", "class_weight", "n_members", "unscaled_input"}
    apart |= {"warm_start", "early_stopping", "validation_fraction"}
    assert names == PARAMETERS - apart
    own = {"seed", "output_bias"}
    assert {one.name for one in fields(Hyperparameters)} - own <= names


def test_all_parameters_but_three_have_a_rule():
    assert set(RULES) == PARAMETERS - {"random_state", "class_weight", "device"}


def test_settings_are_frozen_and_of_python():
    given = {"alpha": np.float64(0.5), "solver": np.str_("sgd"), "verbose": 2}
    found = decided(TorchBinaryClassifier(np.int64(7), **given), 60, 3)
    assert (type(found.alpha), type(found.solver)) == (float, str)
    assert (found.hidden_layer_sizes, found.max_iter, found.verbose) == ((7,), 3, True)
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
    found = decided(TorchBinaryClassifier(**given), n_rows, 3)
    assert (found.batch_size, found.dtype) == (size, dtype)
