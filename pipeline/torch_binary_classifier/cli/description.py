"""What a model file can say about itself; knows no tables."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

from torch_binary_classifier import __version__, wording
from torch_binary_classifier.cli import PROGRAM
from torch_binary_classifier.exceptions import ModelFileError
from torch_binary_classifier.scoring import input_columns

__all__ = ["facts"]

DISTRIBUTIONS = ("scikit-learn", "torch", "numpy", "joblib", "pyarrow")


def facts(estimator: Any) -> dict[str, str]:
    """Return what a loaded model says about itself, and what is installed.

    Parameters
    ----------
    estimator : object
        What a model file holds.

    Returns
    -------
    dict of str to str
        Facts by name.
    """
    found = _pipeline_facts(estimator) | _network_facts(_last_step(estimator))
    return found | {"installed": ", ".join(_versions())}


def _pipeline_facts(estimator: Any) -> dict[str, str]:
    """Return what any fitted scikit-learn classifier can say about itself."""
    facts = {"holds": type(estimator).__name__}
    steps = getattr(getattr(estimator, "best_estimator_", estimator), "steps", ())
    if steps:
        facts["steps"] = ", ".join(f"{n} ({type(step).__name__})" for n, step in steps)
    if hasattr(estimator, "best_params_"):
        facts["best"] = wording.parameters(estimator.best_params_)
    if hasattr(estimator, "classes_"):
        classes = estimator.classes_.tolist()
        facts["classes"] = f"{wording.listed(classes)}; probability of {classes[-1]!r}"
    facts["columns"] = _column_fact(estimator)
    return facts


def _column_fact(estimator: Any) -> str:
    """Return the names of a classifier's input columns, texts marked."""
    try:
        columns = input_columns(estimator)
    except ModelFileError as error:
        return f"unknown: {error}"
    notes = {"number": "", "file": " (as the file says)"}
    listed = [
        f"{wording.name(column.name)}{notes.get(column.kind, f' ({column.kind})')}"
        for column in columns.columns
    ]
    return f"{len(listed)}: {', '.join(listed)}"


def _last_step(estimator: Any) -> Any:
    """Return the classifier at the end of a pipeline or a search."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else estimator
    return getattr(last, "estimator_", last)


def _network_facts(network: Any) -> dict[str, str]:
    """Return what a fitted network can say about itself; nothing for other kinds."""
    kinds = getattr(network, "kinds_", [getattr(network, "__dict__", {})])
    if "coefs_" not in kinds[0]:
        return {}
    sizes, counts = [], []
    for kind in kinds:
        weights = kind["coefs_"]
        widths = [weights[0].shape[-2], *(weight.shape[-1] for weight in weights)]
        sizes.append("-".join(map(str, widths)))
        counts.append(str(len(weights[0]) if weights[0].ndim == 3 else 1))
    facts = {
        "layers": " and ".join(sizes),
        "members": " and ".join(counts),
        "epochs": str(network.n_iter_),
        "training loss": _last_of(getattr(network, "loss_curve_", None)),
        "validation loss": _last_of(getattr(network, "validation_loss_curve_", None)),
        "best loss": f"{network.best_loss_:.4f}",
    }
    return {name: fact for name, fact in facts.items() if fact}


def _last_of(curve: Sequence[float] | None) -> str:
    """Return the end of a curve, or nothing if there is none."""
    return f"{curve[-1]:.4f} in the last epoch" if curve else ""


def _versions() -> Iterator[str]:
    """Yield the versions that are installed; asks no module, so imports none."""
    yield f"Python {platform.python_version()}"
    yield f"{PROGRAM} {__version__}"
    for name in DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"
