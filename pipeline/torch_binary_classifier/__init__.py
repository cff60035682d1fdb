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
    from torch_binary_classifier.exceptions import (
        CorruptModelError as CorruptModelError,
    )
    from torch_binary_classifier.exceptions import GapWarning as GapWarning
    from torch_binary_classifier.exceptions import (
        InputScaleMismatchWarning as InputScaleMismatchWarning,
    )
    from torch_binary_classifier.exceptions import ModelFileError as ModelFileError
    from torch_binary_classifier.exceptions import ModelFileWarning as ModelFileWarning
    from torch_binary_classifier.exceptions import NewerFormatError as NewerFormatError
    from torch_binary_classifier.exceptions import OutputError as OutputError
    from torch_binary_classifier.exceptions import SelfTestError as SelfTestError
    from torch_binary_classifier.exceptions import TableError as TableError
    from torch_binary_classifier.exceptions import TableWarning as TableWarning
    from torch_binary_classifier.exceptions import (
        UnscaledInputWarning as UnscaledInputWarning,
    )
    from torch_binary_classifier.exceptions import (
        UntrustedModelError as UntrustedModelError,
    )
    from torch_binary_classifier.jobs import score_table as score_table
    from torch_binary_classifier.learning_rates import LearningRates as LearningRates
    from torch_binary_classifier.learning_rates import (
        suggest_learning_rate as suggest_learning_rate,
    )
    from torch_binary_classifier.model_card import card as card
    from torch_binary_classifier.onnx_graph.converter import (
        register_onnx_converter as register_onnx_converter,
    )
    from torch_binary_classifier.onnx_graph.export import export_onnx as export_onnx
    from torch_binary_classifier.persistence import load as load
    from torch_binary_classifier.persistence import save as save
    from torch_binary_classifier.pictures.input_scale import (
        InputScaleDisplay as InputScaleDisplay,
    )
    from torch_binary_classifier.pictures.loss_curve import (
        LossCurveDisplay as LossCurveDisplay,
    )
    from torch_binary_classifier.pictures.search import SearchDisplay as SearchDisplay
    from torch_binary_classifier.report_page import report as report
    from torch_binary_classifier.schemas import TableSchema as TableSchema
    from torch_binary_classifier.schemas import check_table as check_table
    from torch_binary_classifier.schemas import schema as schema
    from torch_binary_classifier.scoring import scorer as scorer
    from torch_binary_classifier.search.backend import batched_fits as batched_fits

__version__ = "0.1.0"

_HOMES = {
    "CorruptModelError": "torch_binary_classifier.exceptions",
    "GapWarning": "torch_binary_classifier.exceptions",
    "InputScaleDisplay": "torch_binary_classifier.pictures.input_scale",
    "InputScaleMismatchWarning": "torch_binary_classifier.exceptions",
    "LearningRates": "torch_binary_classifier.learning_rates",
    "LossCurveDisplay": "torch_binary_classifier.pictures.loss_curve",
    "ModelFileError": "torch_binary_classifier.exceptions",
    "ModelFileWarning": "torch_binary_classifier.exceptions",
    "NewerFormatError": "torch_binary_classifier.exceptions",
    "OutputError": "torch_binary_classifier.exceptions",
    "SearchDisplay": "torch_binary_classifier.pictures.search",
    "SelfTestError": "torch_binary_classifier.exceptions",
    "TableError": "torch_binary_classifier.exceptions",
    "TableSchema": "torch_binary_classifier.schemas",
    "TableWarning": "torch_binary_classifier.exceptions",
    "TorchBinaryClassifier": "torch_binary_classifier.classifier",
    "UnscaledInputWarning": "torch_binary_classifier.exceptions",
    "UntrustedModelError": "torch_binary_classifier.exceptions",
    "batched_fits": "torch_binary_classifier.search.backend",
    "card": "torch_binary_classifier.model_card",
    "check_table": "torch_binary_classifier.schemas",
    "export_onnx": "torch_binary_classifier.onnx_graph.export",
    "load": "torch_binary_classifier.persistence",
    "register_onnx_converter": "torch_binary_classifier.onnx_graph.converter",
    "report": "torch_binary_classifier.report_page",
    "save": "torch_binary_classifier.persistence",
    "schema": "torch_binary_classifier.schemas",
    "score_table": "torch_binary_classifier.jobs",
    "scorer": "torch_binary_classifier.scoring",
    "suggest_learning_rate": "torch_binary_classifier.learning_rates",
}

__all__ = [
    "CorruptModelError",
    "GapWarning",
    "InputScaleDisplay",
    "InputScaleMismatchWarning",
    "LearningRates",
    "LossCurveDisplay",
    "ModelFileError",
    "ModelFileWarning",
    "NewerFormatError",
    "OutputError",
    "SearchDisplay",
    "SelfTestError",
    "TableError",
    "TableSchema",
    "TableWarning",
    "TorchBinaryClassifier",
    "UnscaledInputWarning",
    "UntrustedModelError",
    "__version__",
    "batched_fits",
    "card",
    "check_table",
    "export_onnx",
    "load",
    "register_onnx_converter",
    "report",
    "save",
    "schema",
    "score_table",
    "scorer",
    "suggest_learning_rate",
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
