"""Fitted pipelines as ONNX files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from torch_binary_classifier.classifier import TorchBinaryClassifier
from torch_binary_classifier.onnx_graph.graph import (
    IR_VERSION,
    ML_DOMAIN,
    ML_OPSET,
    OPSET,
    OnnxGraph,
    as_tensor,
)
from torch_binary_classifier.onnx_graph.inputs import (
    TABLE,
    Column,
    Inputs,
    Translation,
    refuse_step,
)
from torch_binary_classifier.onnx_graph.network import add_label, add_probability
from torch_binary_classifier.onnx_graph.steps import add_steps
from torch_binary_classifier.persistence import check_writable, replaced_file
from torch_binary_classifier.persistence.manifest import decision_threshold
from torch_binary_classifier.positive import PositiveClassifier
from torch_binary_classifier.wording import listed

__all__ = ["export_onnx"]

DISTRIBUTION = "torch-binary-classifier"
OUTPUTS = ("label", "probability")
ROWS = "N"  # the length of the first axis of inputs and outputs


def export_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted pipeline as an ONNX file, from its columns to the probability.

    Parameters
    ----------
    model : estimator
        A fitted `TorchBinaryClassifier`, or a Pipeline or a search that ends with one.
        Steps in front may be CategoriesAsTexts, ColumnTransformer, MinMaxScaler,
        OneHotEncoder, Pipeline, RobustScaler, SimpleImputer, StandardScaler and
        TimesAsNumbers.
    path : str or path
        The file to write, usually ``*.onnx``. It appears whole or not at all.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If a step cannot be exported. Nothing is written then.
    OutputError
        If the file cannot be written.

    Notes
    -----
    A model that was trained on named columns has an input of shape (N, 1) for each
    that it uses: doubles for numbers, texts for texts. Dates come as days since
    1970-01-01 and durations as seconds, as `TimesAsNumbers` makes them. A missing
    number is NaN, a missing text is the text "(missing)". A model that was trained on
    an array has one input ``X``, doubles of shape (N, n_features). The outputs are
    ``label``, shape (N,), and ``probability``, doubles of shape (N, 2) in the order of
    ``classes_``. What each input holds is in its documentation and in the metadata.

    All is calculated in double precision. The probabilities are those of
    ``predict_proba`` for numbers in float64, to within 1e-12 if the networks were
    trained with ``dtype="float64"``. Others round their own sums to single precision,
    which the graph does not: then they differ by less than 1e-6 on rows like those of
    training, and by more on rows that are thousands of deviations away. A graph raises
    no errors and gives no warnings: rows that ``predict_proba`` refuses have NaN for
    probabilities and the first label.

    Examples
    --------
    >>> import onnx
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(random_state=0)
    >>> clf = TorchBinaryClassifier(random_state=0).fit(X, y)
    >>> export_onnx(clf, "model.onnx")
    >>> [output.name for output in onnx.load("model.onnx").graph.output]
    ['label', 'probability']
    """
    _import_onnx()
    check_writable(path)
    content = onnx_model(model).SerializeToString()
    with replaced_file(path) as file:
        file.write(content)


def onnx_model(model: Any) -> Any:
    """Return a fitted pipeline as a checked ``onnx.ModelProto``."""
    onnx = _import_onnx()
    names, n_columns = _table_of(model)
    inputs = Inputs(names, n_columns)
    graph = OnnxGraph([*(names or [TABLE]), *OUTPUTS])
    translation = Translation(graph, inputs)
    outputs, labels = _add_model(translation, model, inputs.columns, "")
    for value, name in zip(outputs, OUTPUTS, strict=True):
        graph.name_output(value, name)
    made = _assembled(graph, inputs, labels)
    onnx.checker.check_model(made, full_check=True)
    return made


def _import_onnx() -> Any:
    """Return the module onnx with its helpers."""
    try:
        for name in ("checker", "helper", "numpy_helper"):
            import_module(f"onnx.{name}")
        return import_module("onnx")
    except ModuleNotFoundError as error:
        msg = (
            "The package onnx must be installed for export_onnx, got none. "
            f"Run pip install '{DISTRIBUTION}[onnx]'."
        )
        raise ImportError(msg) from error


def _table_of(model: Any) -> tuple[list[str] | None, int]:
    """Return the names, if any, and the number of a fitted model's columns."""
    first = model
    while True:
        match first:
            case Pipeline():
                steps = [step for _, step in first.steps]
                first = next(s for s in steps if s not in (None, "passthrough"))
            case PositiveClassifier() | FixedThresholdClassifier():
                check_is_fitted(first, "estimator_")
                first = first.estimator_
            case _ if _is_search(first):
                first = _best(first)
            case _:
                break
    if not hasattr(first, "n_features_in_"):
        check_is_fitted(first)
    names = getattr(first, "feature_names_in_", None)
    if names is None:
        return None, int(first.n_features_in_)
    _check_names(names.tolist())
    return names.tolist(), len(names)


def _is_search(model: Any) -> bool:
    """Return whether a model is a search, a halving one too."""
    searches = GridSearchCV, RandomizedSearchCV
    return isinstance(model, searches) or hasattr(model, "best_estimator_")


def _best(search: Any) -> Any:
    """Return the model that a search has found."""
    check_is_fitted(search)
    if not hasattr(search, "best_estimator_"):
        msg = "model must be a search with refit=True, got one without best_estimator_."
        raise ValueError(msg)
    return search.best_estimator_


def _check_names(names: Sequence[str]) -> None:
    """Refuse names that an input cannot have."""
    unfit = [name for name in names if name in ("", *OUTPUTS)]
    if unfit:
        msg = (
            f"Columns must have names other than {listed(['', *OUTPUTS])}, got "
            f"{listed(unfit)}. Rename them before training."
        )
        raise ValueError(msg)


def _add_model(
    translation: Translation, model: Any, columns: Sequence[Column], name: str
) -> tuple[tuple[str, str], Any]:
    """Add a classifier; return the values of label and probability, and its classes."""
    graph = translation.graph
    if _is_search(model):
        return _add_model(translation, _best(model), columns, name)
    if type(model) is Pipeline:
        *steps, (last_name, last) = model.steps
        made = add_steps(translation, steps, columns, name)
        return _add_model(translation, last, made, last_name)
    if type(model) is PositiveClassifier:
        inner = _add_model(translation, model.estimator_, columns, name)
        (label, probability), labels = inner
        order = np.flatnonzero(labels == model.classes_[0]).tolist()
        order.append(1 - order[0])
        probability = graph.add("Gather", probability, order, axis=1)
        return (label, probability), labels[order]
    if type(model) is FixedThresholdClassifier and (
        (threshold := decision_threshold(model)) is not None
    ):
        inner = _add_model(translation, model.estimator_, columns, name)
        (_, probability), labels = inner
        label = add_label(graph, probability, as_tensor(labels), threshold)
        return (label, probability), labels
    if type(model) is not TorchBinaryClassifier:
        rule = "be a TorchBinaryClassifier"
        advice = "Other classifiers are exported by skl2onnx."
        raise refuse_step(name or "model", rule, type(model).__name__, advice)
    check_is_fitted(model)
    rows = translation.numbers(columns, name)
    translation.refuse_infinite()
    probability = add_probability(graph, model, rows, translation.refusals)
    labels = model.classes_
    return (add_label(graph, probability, as_tensor(labels)), probability), labels


def _assembled(graph: OnnxGraph, inputs: Inputs, labels: Any) -> Any:
    """Return the graph with its inputs, outputs and metadata."""
    from onnx import TensorProto, helper

    described, texts = inputs.described(), inputs.of_texts()
    width = inputs.n_columns if inputs.is_table else 1
    given = [
        helper.make_tensor_value_info(
            name,
            TensorProto.STRING if name in texts else TensorProto.DOUBLE,
            [ROWS, width],
            doc_string=text,
        )
        for name, text in described.items()
    ]
    label_type = helper.np_dtype_to_tensor_dtype(as_tensor(labels).dtype)
    returned = [
        helper.make_tensor_value_info(OUTPUTS[0], label_type, [ROWS]),
        helper.make_tensor_value_info(OUTPUTS[1], TensorProto.DOUBLE, [ROWS, 2]),
    ]
    made = helper.make_model(
        helper.make_graph(
            graph.nodes, "pipeline", given, returned, initializer=graph.constants
        ),
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid(ML_DOMAIN, ML_OPSET),
        ],
        ir_version=IR_VERSION,
        producer_name=DISTRIBUTION,
        producer_version=version(DISTRIBUTION),
    )
    metadata = {"classes": labels.tolist(), "inputs": described}
    helper.set_model_props(made, {key: json.dumps(metadata[key]) for key in metadata})
    return made
