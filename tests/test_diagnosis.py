"""What no training can work with, and what is named when one has failed."""

import re
from dataclasses import replace

import pytest

from builders import mlp
from torch_binary_classifier.interface.settings import Settings
from torch_binary_classifier.training.diagnosis import check_settings, divergence

SETTINGS = Settings(
    solver="adam",
    hidden_layer_sizes=(100,),
    activation="relu",
    input_norm=None,
    input_factors=False,
    dtype="auto",
    weight_decay=0.01,
    batch_size=32,
    device="auto",
    verbose=False,
)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({}, "the scale of the input, where a value is 1e+09: put a StandardScaler in"),
        ({"solver": "sgd", "alpha": 1e6}, "alpha=1000000.0, whose penalty"),
        ({"solver": "adam", "alpha": 1e6}, "the scale of the input"),
        ({"solver": "adamw", "weight_decay": 1e5}, "weight_decay=100000.0: lower it"),
        ({"solver": "adamw", "epsilon": 1e-30}, "epsilon=1e-30: raise it"),
        ({"solver": "sgd", "epsilon": 1e-30}, "the scale of the input"),
        ({"solver": "lbfgs"}, "the scale of the input"),
        (
            {"solver": "sgd", "learning_rate_init": 1e30},
            "the scale of the input, where a value is 1e+09, or learning_rate_init=1e",
        ),
    ],
)
def test_the_cause_is_named(given, cause):
    assert f"The likely cause is {cause}" in sentence_of(given, largest=1e9)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({}, "learning_rate_init=0.001: lower it."),
        (
            {"solver": "adamw", "learning_rate_init": 1e30},
            "learning_rate_init=1e+30: l",
        ),
        ({"solver": "lbfgs"}, "alpha=0.0001: raise it."),
    ],
)
def test_the_scale_is_not_named_where_it_is_none(given, cause):
    assert f"The likely cause is {cause}" in sentence_of(given, largest=9.0)


def sentence_of(given, largest):
    settings = replace(SETTINGS, **given)
    sentence = divergence(7, settings, "float32", row_weight=1.0, largest=largest)
    assert sentence.startswith("Training diverged: weights or loss became non-finite")
    assert "in epoch 7. " in sentence
    return sentence


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row_weight", [1e-320, 1.0, 1e300])
def test_usual_settings_are_fine(dtype, row_weight):
    check_settings(replace(SETTINGS, alpha=0.0), dtype, row_weight)
    check_settings(SETTINGS, dtype, max(row_weight, 1e-30))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_infinite_penalty(dtype):
    sentence = f"^alpha divided by the mean weight of a row must be .* in {dtype}, got "
    with pytest.raises(ValueError, match=sentence + re.escape("0.0001 / 1e-320.")):
        check_settings(SETTINGS, dtype, row_weight=1e-320)


def network(**parameters):
    given = {"hidden_layer_sizes": (8,), "max_iter": 50, "batch_size": 20}
    return mlp(**given | {"random_state": 0} | parameters)


def test_an_epsilon_that_is_0_in_float32(tiny_data):
    with pytest.raises(ValueError, match=r"^epsilon must be >= 1\.2e-38 in float32, g"):
        network(epsilon=1e-300).fit(*tiny_data)
    model = network(epsilon=1e-300, dtype="float64", learning_rate="cosine")
    assert model.fit(*tiny_data).score(*tiny_data) > 0.7


def test_a_penalty_too_steep_for_the_step(tiny_data):
    with pytest.raises(ValueError, match="The likely cause is alpha=1000000"):
        network(alpha=1e6, solver="sgd").fit(*tiny_data)


def test_a_power_that_overflows(tiny_data):
    network(solver="sgd", learning_rate="invscaling", power_t=300).fit(*tiny_data)
