"""Files that ``export_onnx`` writes, and when it writes none."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import network, pipe
from onnx_graphs import DOUBLE, differences, onnx, onnxruntime
from torch_binary_classifier import OutputError, __version__, export_onnx
from torch_binary_classifier.onnx_graph.export import onnx_model
from torch_binary_classifier.positive import PositiveClassifier, with_positive

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@pytest.fixture
def model(tiny_data):
    """Return a small pipeline."""
    return pipe(dtype="float64").fit(*tiny_data)


def test_file_is_checked_and_scores(model, tiny_data, tmp_path):
    X, _ = tiny_data
    export_onnx(model, tmp_path / "model.onnx")
    made = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(made, full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [(one.name, one.type, one.shape) for one in session.get_inputs()] == [
        ("X", "tensor(double)", ["N", 3])
    ]
    assert [(one.name, one.type, one.shape) for one in session.get_outputs()] == [
        ("label", "tensor(int64)", ["N"]),
        ("probability", "tensor(double)", ["N", 2]),
    ]
    _, probability = session.run(None, {"X": X})
    assert np.abs(probability - model.predict_proba(X)).max() < DOUBLE


def test_metadata(model):
    made = onnx_model(model)
    assert made.producer_name == "torch-binary-classifier"
    assert made.producer_version == __version__
    metadata = {one.key: json.loads(one.value) for one in made.metadata_props}
    assert metadata == {
        "classes": [0, 1],
        "inputs": {"X": "3 columns. Numbers; NaN where missing."},
    }


def test_all_is_in_double_precision(model):
    made = onnx_model(model)
    inferred = onnx.shape_inference.infer_shapes(made, strict_mode=True)
    values = {one.type.tensor_type.elem_type for one in inferred.graph.value_info}
    types = {one.data_type for one in made.graph.initializer} | values
    assert onnx.TensorProto.DOUBLE in types
    assert onnx.TensorProto.FLOAT not in types


def test_same_model_gives_the_same_file(model, tmp_path):
    for name in ("a", "b"):
        export_onnx(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_refusal_leaves_the_file_that_is_there(tiny_data, tmp_path):
    X, y = tiny_data
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    other = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="must be a TorchBinaryClassifier"):
        export_onnx(other, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_failing_check_leaves_the_file_that_is_there(model, tmp_path, monkeypatch):
    def fail(_, **options):
        assert options == {"full_check": True}
        raise onnx.checker.ValidationError

    monkeypatch.setattr(onnx.checker, "check_model", fail)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(onnx.checker.ValidationError):
        export_onnx(model, path)
    assert path.read_bytes() == b"old"


def test_missing_folder_is_told_first(tmp_path):
    with pytest.raises(OutputError, match="must lie in a folder that exists"):
        export_onnx("no model", tmp_path / "nowhere" / "model.onnx")


def test_unfitted_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not fitted yet"):
        export_onnx(pipe(), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="not fitted yet"):
        export_onnx(GridSearchCV(pipe(), {}), tmp_path / "model.onnx")


def test_search_is_its_best_estimator(tiny_data):
    X, y = tiny_data
    grid = {"clf__hidden_layer_sizes": [(2,), (5,)]}
    search = GridSearchCV(pipe(dtype="float64"), grid, cv=2).fit(X, y)
    assert differences(search, X) < DOUBLE
    assert onnx_model(search) == onnx_model(search.best_estimator_)


def test_search_without_refit_is_refused(tiny_data):
    search = GridSearchCV(pipe(), {"clf__max_iter": [2]}, cv=2, refit=False)
    message = "model must be a search with refit=True, got one without best_estimator_."
    with pytest.raises(ValueError, match=message):
        onnx_model(search.fit(*tiny_data))


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_positive_class_comes_second(tiny_data, positive):
    X, y = tiny_data
    labels = np.array(["no", "yes"])[y]
    chosen = with_positive(pipe(dtype="float64").fit(X, labels), positive)
    made = onnx_model(chosen)
    assert differences(chosen, X, made) < DOUBLE
    around = PositiveClassifier(pipe(dtype="float64"), positive).fit(X, labels)
    assert differences(around, X) < DOUBLE
    classes = next(one.value for one in made.metadata_props if one.key == "classes")
    assert json.loads(classes)[1] == positive


def test_classifier_alone(tiny_data):
    X, y = tiny_data
    assert differences(network(dtype="float64").fit(X, y), X) < DOUBLE


@pytest.mark.parametrize("names", [["a", "b", "X"], ["constant", "Sub", "MatMul"]])
def test_names_of_columns_may_be_those_of_operators(tiny_data, names):
    X, y = tiny_data
    table = pd.DataFrame(X, columns=names)
    fitted = pipe(dtype="float64").fit(table, y)
    assert differences(fitted, table) < DOUBLE


@pytest.mark.parametrize("name", ["label", "probability", ""])
def test_names_of_outputs_are_refused(tiny_data, name):
    X, y = tiny_data
    fitted = pipe().fit(pd.DataFrame(X, columns=["a", "b", name]), y)
    message = (
        "Columns must have names other than '', 'label', 'probability', got "
        f"'{name}'. Rename them before training."
    )
    with pytest.raises(ValueError, match=message):
        onnx_model(fitted)


def test_missing_onnx_is_told_with_the_extra(model, tmp_path, monkeypatch):
    for name in [one for one in sys.modules if one.partition(".")[0] == "onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = (
        "The package onnx must be installed for export_onnx, got none. "
        r"Run pip install 'torch-binary-classifier\[onnx\]'."
    )
    with pytest.raises(ImportError, match=message):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "use",
    [
        "import torch_binary_classifier",
        "from torch_binary_classifier import export_onnx, register_onnx_converter",
    ],
)
def test_import_leaves_onnx_out(use):
    told = "{'onnx', 'skl2onnx', 'torch'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {use}; print({told})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
