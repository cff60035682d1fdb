import math

import numpy as np
import pytest

from torch_binary_classifier.estimator.rules import (
    AnyOf,
    Flag,
    LayerSizes,
    Number,
    OneOf,
    check_parameters,
    layer_sizes,
)

POSITIVE = Number(low=0, open_low=True)
SHARE = Number(low=0, high=1, open_high=True)
COUNT = Number(low=1, whole=True)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (POSITIVE, 1e-9),
        (POSITIVE, np.float32(0.5)),
        (POSITIVE, 3),
        (SHARE, 0),
        (SHARE, 0.999),
        (COUNT, 1),
        (COUNT, np.int64(7)),
        (Number(), -1e300),
        (Number(high=2), 2),
        (OneOf({"adam", "sgd"}), "adam"),
        (OneOf({None, "batch"}), None),
        (OneOf({"adam", "sgd"}), np.str_("adam")),
        (OneOf({math.inf}), np.float32(math.inf)),
        (Flag(), True),
        (Flag(), np.bool_(False)),
        (LayerSizes(), ()),
        (LayerSizes(), 5),
        (LayerSizes(), [5, np.int32(3)]),
        (LayerSizes(), np.array([4, 4])),
        (AnyOf([OneOf({"auto"}), COUNT]), "auto"),
        (AnyOf([OneOf({"auto"}), COUNT]), 3),
    ],
)
def test_rule_accepts_what_keeps_it(rule, value):
    assert rule.accepts(value)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (POSITIVE, 0),
        (POSITIVE, math.nan),
        (POSITIVE, math.inf),
        (POSITIVE, "1"),
        (POSITIVE, None),
        (POSITIVE, True),
        (POSITIVE, 1j),
        (SHARE, 1.0),
        (SHARE, -0.1),
        (COUNT, 0),
        (COUNT, 1.0),
        (COUNT, False),
        (Number(high=2), 2.1),
        (OneOf({"adam", "sgd"}), "Adam"),
        (OneOf({1}), True),
        (OneOf({1}), np.bool_(True)),
        (OneOf({"1"}), 1),
        (OneOf({"adam", "sgd"}), np.array(["adam"])),
        (OneOf({math.inf}), math.nan),
        (OneOf({"adam"}), ["adam"]),
        (Flag(), 1),
        (Flag(), "True"),
        (LayerSizes(), (5, 0)),
        (LayerSizes(), -1),
        (LayerSizes(), 5.0),
        (LayerSizes(), "55"),
        (LayerSizes(), b"55"),
        (LayerSizes(), {5: 1}),
        (LayerSizes(), None),
        (LayerSizes(), True),
        (LayerSizes(), (5, True)),
        (AnyOf([OneOf({"auto"}), COUNT]), "none"),
    ],
)
def test_rule_refuses_what_breaks_it(rule, value):
    assert not rule.accepts(value)


@pytest.mark.parametrize(
    ("rule", "phrase"),
    [
        (Number(), "a number"),
        (Number(whole=True), "a whole number"),
        (POSITIVE, "a number > 0"),
        (COUNT, "a whole number >= 1"),
        (SHARE, "a number >= 0 and < 1"),
        (Number(low=0, high=1), "a number >= 0 and <= 1"),
        (OneOf({"sgd", "adam"}), "'adam', 'sgd'"),
        (Flag(), "True or False"),
        (LayerSizes(), "a whole number >= 1 or a sequence of them"),
        (AnyOf([OneOf({"auto"}), COUNT]), "'auto' or a whole number >= 1"),
    ],
)
def test_rule_reads_as_the_end_of_a_sentence(rule, phrase):
    assert str(rule) == phrase


@pytest.mark.parametrize(
    ("value", "sizes"),
    [(5, (5,)), (np.int64(5), (5,)), ([5, 3], (5, 3)), ((), ()), (np.array([2]), (2,))],
)
def test_layer_sizes_returns_a_tuple(value, sizes):
    assert layer_sizes(value) == sizes


def test_check_parameters_accepts_good_and_free_values():
    check_parameters({"alpha": 0.1, "name": object()}, {"alpha": POSITIVE})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"alpha": -1, "n": 1}, r"^alpha must be a number > 0, got -1\.$"),
        ({"alpha": 1, "n": 0}, r"^n must be a whole number >= 1, got 0\.$"),
        ({"alpha": "x", "n": 0}, r"^alpha must be a number > 0, got 'x'\.$"),
    ],
)
def test_check_parameters_names_the_first_broken_rule(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_parameters(values, {"alpha": POSITIVE, "n": COUNT})
