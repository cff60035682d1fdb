"""Exported graphs and what a runtime makes of them, for the tests that compare."""

import warnings

import numpy as np
import pytest

from torch_binary_classifier.exceptions import GapWarning
from torch_binary_classifier.onnx_graph.export import onnx_model
from torch_binary_classifier.preparation import MISSING

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

# Largest differences of probabilities: rounding errors of sums of some hundred terms.
DOUBLE, SINGLE = 1e-12, 1e-6


def scores(made, feed):
    """Return label and probability by onnxruntime."""
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(["label", "probability"], feed)


def cells(table, made):
    """Return a pandas table as the inputs of a graph."""
    feed = {}
    for given in made.graph.input:
        column = table[given.name]
        if given.type.tensor_type.elem_type == 8:
            values = np.array([MISSING if v != v or v is None else v for v in column])
            feed[given.name] = values.astype(object)[:, np.newaxis]
        else:
            feed[given.name] = column.to_numpy(np.float64)[:, np.newaxis]
    return feed


def differences(model, X, made=None):
    """Return the largest difference of probabilities; labels must be equal."""
    made = onnx_model(model) if made is None else made
    feed = cells(X, made) if hasattr(X, "columns") else {"X": X}
    label, probability = scores(made, feed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GapWarning)  # the graph cannot tell
        expected, labels = model.predict_proba(X), model.predict(X)
    assert probability.dtype == np.float64
    assert probability.shape == expected.shape
    assert label.tolist() == labels.tolist()
    return np.abs(probability - expected).max()
