"""`TorchBinaryClassifier` for skl2onnx; imports it only when it is registered."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.classifier import TorchBinaryClassifier
from torch_binary_classifier.onnx_graph.graph import Graph, as_tensor
from torch_binary_classifier.onnx_graph.network import add_label, add_probability

__all__ = ["register_onnx_converter"]

ALIAS = "TorchBinaryClassifier"
LOWEST_OPSET = 13  # the first in which the axes of a sum are an input


def register_onnx_converter() -> None:
    """Let skl2onnx convert pipelines that end with a `TorchBinaryClassifier`.

    Call it once; ``skl2onnx.to_onnx`` and ``convert_sklearn`` then know the
    classifier, with the options ``zipmap``, ``nocl`` and ``output_class_labels``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    export_onnx : The same networks, also behind steps of this package, without
        skl2onnx.

    Notes
    -----
    The networks are calculated in double precision and the probabilities have the
    precision of the input: pass doubles, as in the example, for those of
    ``predict_proba``. Dictionaries of probabilities, the default of skl2onnx, need an
    input in single precision, as with all its classifiers.

    Examples
    --------
    >>> from skl2onnx import to_onnx
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(random_state=0)
    >>> clf = TorchBinaryClassifier(random_state=0).fit(X, y)
    >>> register_onnx_converter()
    >>> made = to_onnx(clf, X[:1], options={"zipmap": False})
    >>> [output.name for output in made.graph.output]
    ['label', 'probabilities']
    """
    try:
        skl2onnx = import_module("skl2onnx")
        shapes = import_module("skl2onnx.common.shape_calculator")
    except ModuleNotFoundError as error:
        msg = (
            "The package skl2onnx must be installed for register_onnx_converter, got "
            "none. Run pip install skl2onnx, or use export_onnx."
        )
        raise ImportError(msg) from error
    skl2onnx.update_registered_converter(
        TorchBinaryClassifier,
        ALIAS,
        shapes.calculate_linear_classifier_output_shapes,
        _convert,
        options={
            "zipmap": [True, False, "columns"],
            "nocl": [True, False],
            "output_class_labels": [False, True],
        },
    )


class _ConverterGraph(Graph):
    """A part of a graph that skl2onnx makes."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope, self.container = scope, container

    def _new_name(self, hint: str) -> str:
        return str(self.scope.get_unique_variable_name(hint))

    def _constant(self, values: NDArray[Any]) -> str:
        from onnx import helper

        name, values = self._new_name("constant"), as_tensor(values)
        element = helper.np_dtype_to_tensor_dtype(values.dtype)
        content = values.ravel().tolist()
        self.container.add_initializer(name, element, list(values.shape), content)
        return name

    def _add_node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str,
        attributes: dict[str, Any],
    ) -> None:
        self.container.add_node(
            operator,
            list(inputs),
            [output],
            op_domain=domain,
            name=self.scope.get_unique_operator_name(operator),
            **attributes,
        )


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add one classifier to the graph of skl2onnx."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType

    if container.target_opset < LOWEST_OPSET:
        msg = (
            f"target_opset must be at least {LOWEST_OPSET} for {ALIAS}, got "
            f"{container.target_opset}."
        )
        raise ValueError(msg)
    graph = _ConverterGraph(scope, container)
    estimator = operator.raw_operator
    rows = graph.add("Cast", operator.inputs[0].full_name, to=TensorProto.DOUBLE)
    probability = add_probability(graph, estimator, rows)
    labels = estimator.classes_
    if labels.dtype.kind in "biuf":  # as all converters of skl2onnx have them
        labels = labels.astype(np.int64)
    label = add_label(graph, probability, labels)
    label_output, probability_output = operator.outputs
    if not isinstance(probability_output.type, DoubleTensorType):
        probability = graph.add("Cast", probability, to=TensorProto.FLOAT)
    for value, wanted in ((label, label_output), (probability, probability_output)):
        container.add_node(
            "Identity",
            [value],
            [wanted.full_name],
            name=scope.get_unique_operator_name("Identity"),
        )
