"""The public names of the package, imported on first use.

Importing the package, loading a saved pipeline and scoring with it import no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from torch_binary_classifier.registration import register_backend

if TYPE_CHECKING:
    from torch_binary_classifier.classifier import (
        TorchBinaryClassifier as TorchBinaryClassifier,
    )
    from torch_binary_classifier.exceptions import ArtefactError as ArtefactError
    from torch_binary_classifier.exceptions import GapWarning as GapWarning
    from torch_binary_classifier.exceptions import OutputError as OutputError
    from torch_binary_classifier.exceptions import TableError as TableError
    from torch_binary_classifier.exceptions import TableWarning as TableWarning
    from torch_binary_classifier.exceptions import (
        UnscaledInputWarning as UnscaledInputWarning,
    )
    from torch_binary_classifier.onnx_graph.converter import (
        register_onnx_converter as register_onnx_converter,
    )
    from torch_binary_classifier.onnx_graph.export import export_onnx as export_onnx
    from torch_binary_classifier.persistence import load as load
    from torch_binary_classifier.persistence import save as save
    from torch_binary_classifier.search.backend import batched_fits as batched_fits

__version__ = "0.1.0"

_HOMES = {
    "ArtefactError": "torch_binary_classifier.exceptions",
    "GapWarning": "torch_binary_classifier.exceptions",
    "OutputError": "torch_binary_classifier.exceptions",
    "TableError": "torch_binary_classifier.exceptions",
    "TableWarning": "torch_binary_classifier.exceptions",
    "TorchBinaryClassifier": "torch_binary_classifier.classifier",
    "UnscaledInputWarning": "torch_binary_classifier.exceptions",
    "batched_fits": "torch_binary_classifier.search.backend",
    "export_onnx": "torch_binary_classifier.onnx_graph.export",
    "load": "torch_binary_classifier.persistence",
    "register_onnx_converter": "torch_binary_classifier.onnx_graph.converter",
    "save": "torch_binary_classifier.persistence",
}

__all__ = [
    "ArtefactError",
    "GapWarning",
    "OutputError",
    "TableError",
    "TableWarning",
    "TorchBinaryClassifier",
    "UnscaledInputWarning",
    "__version__",
    "batched_fits",
    "export_onnx",
    "load",
    "register_onnx_converter",
    "save",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    register_backend()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
