"""``skl2onnx`` converts pipelines with the classifier once it is registered."""

import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import network
from onnx_graphs import DOUBLE, SINGLE, onnxruntime
from torch_binary_classifier import register_onnx_converter

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)

FORMS = {
    "one": {},
    "members": {"n_members": 2, "activation": "gelu"},
    "two kinds": {"encoding": "auto", "n_members": 2, "early_stopping": True},
    "norm": {"input_norm": "batch"},
}


@pytest.fixture
def skl2onnx():
    """Return skl2onnx, the converter registered."""
    found = pytest.importorskip("skl2onnx")
    register_onnx_converter()
    return found


def fitted(data, labels=(0, 1), **parameters):
    """Return a pipeline of a scaler and networks in float64."""
    X, y = data
    clf = network(**{"dtype": "float64", "early_stopping": False} | parameters)
    return make_pipeline(StandardScaler(), clf).fit(X, np.array(labels)[y])


def run(made, X):
    """Return what onnxruntime makes of rows."""
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"X": X})


@pytest.mark.parametrize("form", FORMS)
def test_doubles(skl2onnx, tiny_data, form):
    X, _ = tiny_data
    pipe = fitted(tiny_data, **FORMS[form])
    made = skl2onnx.to_onnx(pipe, X[:1], options={"zipmap": False})
    label, probability = run(made, X)
    assert probability.dtype == np.float64
    assert np.abs(probability - pipe.predict_proba(X)).max() < DOUBLE
    assert label.tolist() == pipe.predict(X).tolist()
    kind = getattr(pipe[-1], "kinds_", [vars(pipe[-1])])[-1]
    kind["intercepts_"][-1] = kind["intercepts_"][-1] + 1e-9
    assert np.abs(probability - pipe.predict_proba(X)).max() > DOUBLE


def test_singles(skl2onnx, tiny_data):
    X = tiny_data[0].astype(np.float32)
    pipe = fitted(tiny_data)
    made = skl2onnx.to_onnx(pipe, X[:1], options={"zipmap": False})
    _, probability = run(made, X)
    assert probability.dtype == np.float32
    assert np.abs(probability - pipe.predict_proba(X)).max() < SINGLE


@pytest.mark.parametrize("labels", [("no", "yes"), (-1, 1), (False, True)])
def test_labels(skl2onnx, tiny_data, labels):
    X, _ = tiny_data
    pipe = fitted(tiny_data, labels)
    made = skl2onnx.to_onnx(pipe, X[:1], options={"zipmap": False})
    label, _ = run(made, X)
    assert label.tolist() == pipe.predict(X).tolist()


def test_dictionaries_by_default(skl2onnx, tiny_data):
    X = tiny_data[0].astype(np.float32)
    pipe = fitted(tiny_data, ("no", "yes"))
    _, probability = run(skl2onnx.to_onnx(pipe, X[:1]), X)
    expected = pipe.predict_proba(X)[:, 1]
    assert [one["yes"] for one in probability] == pytest.approx(expected, abs=SINGLE)


def test_columns(skl2onnx, tiny_data):
    X, _ = tiny_data
    pipe = fitted(tiny_data)
    made = skl2onnx.to_onnx(pipe, X[:1], options={"zipmap": "columns"})
    assert len(made.graph.output) == 3


def test_lower_operator_set(skl2onnx, tiny_data):
    X, _ = tiny_data
    pipe = fitted(tiny_data, **FORMS["two kinds"])
    options = {"zipmap": False}
    made = skl2onnx.to_onnx(pipe, X[:1], target_opset=13, options=options)
    assert np.abs(run(made, X)[1] - pipe.predict_proba(X)).max() < DOUBLE
    message = "target_opset must be at least 13 for TorchBinaryClassifier, got 12."
    with pytest.raises(ValueError, match=message):
        skl2onnx.to_onnx(pipe, X[:1], target_opset=12, options=options)


def test_missing_skl2onnx_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    message = "The package skl2onnx must be installed for register_onnx_converter, got"
    with pytest.raises(ImportError, match=message):
        register_onnx_converter()
