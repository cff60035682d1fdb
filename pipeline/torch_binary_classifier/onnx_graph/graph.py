"""A graph of ONNX operators under construction; knows no estimators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

OPSET = 18
ML_OPSET = 3
ML_DOMAIN = "ai.onnx.ml"  # LabelEncoder is of it
IR_VERSION = 8  # the lowest that has these operator sets


class Graph(ABC):
    """Nodes that are added one behind the other, each with one output."""

    def add(
        self,
        operator: str,
        *inputs: str | ArrayLike,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node and return the name of its output.

        Inputs are names of values; anything else becomes a constant.
        """
        names = [
            given if isinstance(given, str) else self._constant(np.asarray(given))
            for given in inputs
        ]
        output = self._new_name(operator)
        self._add_node(operator, names, output, domain, attributes)
        return output

    @abstractmethod
    def _new_name(self, hint: str) -> str:
        """Return a name that no value has yet."""

    @abstractmethod
    def _constant(self, values: Array) -> str:
        """Add a constant and return its name."""

    @abstractmethod
    def _add_node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str,
        attributes: dict[str, Any],
    ) -> None:
        """Add a node whose inputs are all there."""


class OnnxGraph(Graph):
    """A graph that stands alone.

    Parameters
    ----------
    taken : sequence of str
        Names that no inner value may have.
    """

    def __init__(self, taken: Sequence[str]) -> None:
        self.taken = set(taken)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def name_output(self, value: str, name: str) -> None:
        """Give a value the name of an output."""
        self._add_node("Identity", [value], name, "", {})

    def _new_name(self, hint: str) -> str:
        name, number = hint, len(self.taken)
        while name in self.taken:
            name, number = f"{hint}_{number}", number + 1
        self.taken.add(name)
        return name

    def _constant(self, values: Array) -> str:
        from onnx import numpy_helper

        name = self._new_name("constant")
        self.constants.append(numpy_helper.from_array(as_tensor(values), name))
        return name

    def _add_node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str,
        attributes: dict[str, Any],
    ) -> None:
        from onnx import helper

        self.nodes.append(
            helper.make_node(operator, inputs, [output], domain=domain, **attributes)
        )


def as_tensor(values: Array) -> Array:
    """Return an array whose type ONNX has: texts as objects."""
    return values.astype(object) if values.dtype.kind == "U" else values
