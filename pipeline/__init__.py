"""The public names of the package, imported on first use.

Importing the package, loading a saved pipeline and scoring with it import no torch.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.batched import batched_fits as batched_fits
    from pipeline.classifier import TorchBinaryClassifier as TorchBinaryClassifier
    from pipeline.exceptions import ArtefactError as ArtefactError
    from pipeline.exceptions import OutputError as OutputError
    from pipeline.exceptions import TableError as TableError
    from pipeline.exceptions import TableWarning as TableWarning
    from pipeline.exceptions import UnscaledInputWarning as UnscaledInputWarning
    from pipeline.persistence import load as load
    from pipeline.persistence import save as save

__version__ = "0.1.0"

_HOMES = {
    "ArtefactError": "pipeline.exceptions",
    "OutputError": "pipeline.exceptions",
    "TableError": "pipeline.exceptions",
    "TableWarning": "pipeline.exceptions",
    "TorchBinaryClassifier": "pipeline.classifier",
    "UnscaledInputWarning": "pipeline.exceptions",
    "batched_fits": "pipeline.batched",
    "load": "pipeline.persistence",
    "save": "pipeline.persistence",
}

__all__ = [
    "ArtefactError",
    "OutputError",
    "TableError",
    "TableWarning",
    "TorchBinaryClassifier",
    "UnscaledInputWarning",
    "__version__",
    "batched_fits",
    "load",
    "save",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    _register_backend()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


def _batched_backend(**parameters: Any) -> Any:
    """Return what ``joblib.parallel_config(backend="batched")`` stands for."""
    return import_module("pipeline.batched").make_backend(**parameters)


@cache
def _register_backend() -> None:
    """Tell joblib of the backend: once, and not before the package is used.

    joblib brings NumPy in, which the command line's help can do without.
    """
    import_module("joblib").register_parallel_backend("batched", _batched_backend)
