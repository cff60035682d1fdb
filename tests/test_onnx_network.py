"""The networks of a graph say what ``predict_proba`` says."""

import json

import numpy as np
import pytest
from scipy.special import erf as exact_erf

from builders import network
from onnx_graphs import DOUBLE, SINGLE, differences, onnx, onnxruntime, scores
from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.onnx_graph import activations
from torch_binary_classifier.onnx_graph.export import onnx_model
from torch_binary_classifier.onnx_graph.graph import OnnxGraph
from torch_binary_classifier.onnx_graph.network import add_probability

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::torch_binary_classifier.GapWarning",
)

BOTH_KINDS = {
    "encoding": "auto",
    "n_members": 3,
    "input_factors": True,
    "hidden_layer_sizes": "auto",
    "activation": "auto",
    "early_stopping": True,
}
FORMS = {
    "one": {},
    "linear": {"hidden_layer_sizes": ()},
    "deep": {"hidden_layer_sizes": (8, 4, 3)},
    "members": {"n_members": 3},
    "factors": {"input_factors": True},
    "bins": {"encoding": "piecewise", "n_bins": 4},
    "tables": {"encoding": "piecewise", "n_bins": 48, "n_members": 2},
    "two kinds": BOTH_KINDS,
    "corrected": {"class_weight": {1: 9.0}, "prior_correction": True, "n_members": 3},
    "tempered": {"calibrate": True, "early_stopping": True},
    "both": BOTH_KINDS
    | {"class_weight": {1: 9.0}, "prior_correction": True, "calibrate": True},
    "norm": {"input_norm": "batch"},
    "norm of members": {"input_norm": "batch", "n_members": 2},
    **{name: {"activation": name} for name in activations.ACTIVATIONS},
}


@pytest.fixture
def rows(rng):
    """Return rows and labels to train on."""
    X = rng.normal(size=(120, 4))
    return X, (X[:, 0] - X[:, 1] ** 2 + 0.5 * rng.normal(size=120) > -0.5).astype(int)


@pytest.fixture
def new(rng):
    """Return rows to score, some of them far out."""
    X = 3 * rng.normal(size=(200, 4))
    X[::9] *= 1e5
    X[5] = 0
    return X


def fitted(rows, **parameters):
    """Return a classifier of networks in float64."""
    return network(**{"dtype": "float64", "early_stopping": False} | parameters).fit(
        *rows
    )


@pytest.mark.parametrize("form", FORMS)
def test_graph_is_predict_proba(rows, new, form):
    clf = fitted(rows, **FORMS[form])
    assert differences(clf, new) < DOUBLE


@pytest.mark.parametrize("form", ["one", "two kinds", "tables", "norm", "gelu"])
def test_graph_of_single_precision_is_near(rows, new, form):
    clf = fitted(rows, dtype="float32", **FORMS[form])
    assert differences(clf, new[np.abs(new).max(axis=1) < 100]) < SINGLE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_in_single_precision_data(rows, new, dtype):
    X, y = rows
    clf = fitted((X.astype(np.float32), y), dtype=dtype)
    assert differences(clf, new) < (DOUBLE if dtype == "float64" else SINGLE)


@pytest.mark.parametrize("form", ["one", "bins", "tables", "two kinds"])
def test_gaps_known_and_new(rows, new, form):
    X, y = rows
    X[::5, 1] = np.nan
    clf = fitted((X, y), **FORMS[form])
    new[::3, 1] = np.nan  # indicated
    new[::4, 2] = np.nan  # filled with the median
    assert differences(clf, new) < DOUBLE


def test_inputs_are_rounded_as_the_network_rounds_them(rows):
    clf = fitted(rows, dtype="float32")
    near = np.full((2, 4), 1.0)
    near[1] += 1e-9
    first, second = scores(onnx_model(clf), {"X": near})[1]
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("form", ["one", "bins", "two kinds"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_refused_rows_are_nan(rows, new, form, value):
    clf = fitted(rows, **FORMS[form])
    new[3, 1] = value
    with pytest.raises(ValueError, match="infinity"):
        clf.predict_proba(new)
    label, probability = scores(onnx_model(clf), {"X": new})
    assert np.flatnonzero(np.isnan(probability).any(axis=1)).tolist() == [3]
    assert np.isnan(probability[3]).all()
    assert label[3] == clf.classes_[0]


def test_gaps_without_medians_are_nan(rows, new):
    clf = fitted(rows, input_norm="batch")
    new[3, 1] = np.nan
    _, probability = scores(onnx_model(clf), {"X": new})
    assert np.flatnonzero(np.isnan(probability).any(axis=1)).tolist() == [3]


@pytest.mark.parametrize(("dtype", "value"), [("float32", 1e38), ("float64", 1e308)])
def test_overflow_is_nan(rows, new, dtype, value):
    clf = fitted(rows, dtype=dtype, hidden_layer_sizes=())
    clf.coefs_[0][...] = 10.0
    new[3] = value
    with pytest.raises(ValueError, match="represent"):
        clf.predict_proba(new)
    _, probability = scores(onnx_model(clf), {"X": new})
    assert np.flatnonzero(np.isnan(probability).any(axis=1)).tolist() == [3]


@pytest.mark.parametrize(("dtype", "value"), [("float32", 1e39), ("float64", np.inf)])
def test_infinity_that_no_unit_lets_through_is_nan(rows, new, dtype, value):
    clf = fitted(rows, dtype=dtype)
    clf.coefs_[0] = -np.abs(clf.coefs_[0])
    new = np.minimum(new, 10)
    new[3] = value
    with pytest.raises(ValueError, match=r"represent|infinity"):
        clf.predict_proba(new)
    graph = OnnxGraph(["X", "y"])
    graph.name_output(add_probability(graph, clf, "X"), "y")
    _, probability = scores(onnx_model(clf), {"X": new})
    for found in (probability, alone(graph, "X", "y", new)):
        assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [3]


def alone(graph, given, returned, values):
    """Return what a graph of doubles, without a pipeline around, makes of values."""
    double = onnx.TensorProto.DOUBLE
    shape = ["N", *values.shape[1:]]
    made = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "alone",
            [onnx.helper.make_tensor_value_info(given, double, shape)],
            [onnx.helper.make_tensor_value_info(returned, double, None)],
            initializer=graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=8,
    )
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {given: values})[0]


def test_small_probabilities_keep_their_digits(rows, new):
    clf = fitted(rows, n_members=2, hidden_layer_sizes=())
    for name in ("coefs_", "intercepts_"):
        getattr(clf, name)[0] *= 50
    _, probability = scores(onnx_model(clf), {"X": new})
    expected = clf.predict_proba(new)
    assert (expected[expected > 0] < 1e-30).any()
    kept = expected > 1e-250
    assert np.allclose(probability[kept], expected[kept], rtol=1e-9, atol=0)


def test_members_without_weight_are_left_out(rows, new):
    clf = fitted(rows, **BOTH_KINDS)
    weights = clf.member_weights_
    assert len(set(weights.tolist())) == 2
    clf.member_weights_ = np.where(np.arange(6) < 3, 0, weights)
    clf.kinds_[0]["coefs_"][0][...] = np.nan
    assert differences(clf, new) < DOUBLE


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["no", "yes"], "O"),
        ([0, 1], "i"),
        ([False, True], "b"),
        ([-1.0, 1.0], "f"),
        (np.array(["ja", "nein"], dtype=object), "O"),
    ],
)
def test_labels_are_those_of_the_classes(rows, new, labels, kind):
    X, y = rows
    clf = fitted((X, np.asarray(labels)[y]))
    made = onnx_model(clf)
    label, _ = scores(made, {"X": new})
    assert label.dtype.kind == kind
    assert label.tolist() == clf.predict(new).tolist()
    assert len(set(label.tolist())) == 2
    metadata = {one.key: one.value for one in made.metadata_props}
    assert json.loads(metadata["classes"]) == clf.classes_.tolist()


def test_no_rows_and_one_row(rows, new):
    made = onnx_model(fitted(rows, **BOTH_KINDS))
    assert scores(made, {"X": new[:0]})[1].shape == (0, 2)
    alone, together = (scores(made, {"X": new[:n]})[1][0] for n in (1, 200))
    assert np.abs(alone - together).max() < DOUBLE


@pytest.mark.parametrize("form", ["one", "bins", "two kinds", "norm"])
def test_another_weight_is_found(rows, new, form):
    clf = fitted(rows, **FORMS[form])
    made = onnx_model(clf)
    kind = getattr(clf, "kinds_", [vars(clf)])[-1]
    kind["intercepts_"][-1] = kind["intercepts_"][-1] + 1e-9
    assert DOUBLE < differences(clf, new, made) < 1e-8


def test_erf_is_exact_in_double_precision():
    values = np.concatenate([np.linspace(-8, 8, 4001), [-1e300, 1e-300, 1.0, -1.0]])
    graph = OnnxGraph(["x", "y"])
    graph.name_output(activations.erf(graph, "x"), "y")
    found = alone(graph, "x", "y", values)
    assert np.abs(found - exact_erf(values)).max() < 5e-16


def test_default_classifier(rows, new):
    clf = TorchBinaryClassifier(random_state=0, max_iter=5).fit(*rows)
    assert len(clf.kinds_) == 2
    assert differences(clf, new) < SINGLE
