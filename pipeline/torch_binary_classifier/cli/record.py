"""What a training leaves beside the model: how it was measured; trains nothing."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch_binary_classifier.cli.holdout import Split
from torch_binary_classifier.cli.measuring import Measuring
from torch_binary_classifier.cli.report import OURS
from torch_binary_classifier.persistence import replaced_file
from torch_binary_classifier.report_page.measures import N_REPEATS, importances_of
from torch_binary_classifier.report_page.subject import subject_of

__all__ = ["evaluation", "importances", "told", "write_json"]

Metrics = Mapping[str, Mapping[str, float]]


def told(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that the rows do tell.

    Parameters
    ----------
    metrics : mapping of str to float
        Metrics by name, nan for those that they do not.

    Returns
    -------
    dict of str to float
        The others.
    """
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def evaluation(
    data: Path, measuring: Measuring, parts: Split, metrics: Metrics, positive: Any
) -> dict[str, Any]:
    """Return how a model was measured, in plain values.

    Parameters
    ----------
    data : path
        The table.
    measuring : Measuring
        What was asked for.
    parts : Split
        The rows.
    metrics : mapping of str to mapping of str to float
        Of all contestants.
    positive : label
        The class that they are about.

    Returns
    -------
    dict
        For the manifest of the model's file.
    """
    is_positive = parts.labels_held_out == positive
    return {
        "data": data.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "held_out": parts.words,
        "n_trained": len(parts.y),
        "n_held_out": len(parts.labels_held_out),
        "n_positive": int(is_positive.sum()),
        "refitted_on_all_rows": measuring.refit_all,
        "others": {
            name: told(values) for name, values in metrics.items() if name != OURS
        },
    }


def importances(model: Any, X: Any, y: Any) -> dict[str, Any] | None:
    """Return how much each column matters, as plain values.

    Parameters
    ----------
    model : classifier
        A fitted one.
    X : frame of shape (n_rows, n_columns)
        Rows held out.
    y : ndarray of shape (n_rows,)
        Their labels.

    Returns
    -------
    dict or None
        By how much the loss rises when a column is shuffled, the largest first; None
        for tables of too many columns, and those whose columns cannot be shuffled.
    """
    found = importances_of(subject_of(model, X, y, {}))
    if found is None:
        return None
    means = found.losses.mean(axis=1).tolist()
    by_name = dict(zip(map(str, X.columns), means, strict=True))
    return {
        "loss": found.loss_name,
        "n_rows": found.n_rows,
        "n_repeats": N_REPEATS,
        "columns": dict(sorted(by_name.items(), key=lambda pair: -pair[1])),
    }


def write_json(
    path: Path, manifest: Mapping[str, Any], network: Any, y: Any, rule: str | None
) -> None:
    """Write all that is known of a training, as JSON.

    Parameters
    ----------
    path : path
        The file; it appears whole or not at all.
    manifest : mapping
        Of the model's file.
    network : estimator
        The fitted last step, with its findings.
    y : ndarray of shape (n_rows,)
        The labels of the rows that it was trained on.
    rule : str or None
        How the threshold was found.
    """
    measured = dict(manifest["evaluation"])
    content = {
        **{key: measured[key] for key in ("data", "date", "held_out")},
        "counts": {
            "trained": measured["n_trained"],
            "trained_by_class": {str(k): n for k, n in Counter(y.tolist()).items()},
            "held_out": measured["n_held_out"],
            "held_out_positive": measured["n_positive"],
        },
        "refitted_on_all_rows": measured["refitted_on_all_rows"],
        "classes": manifest["classes"],
        "threshold": {"value": manifest.get("threshold"), "rule": rule},
        "metrics": {OURS: manifest["metrics"], **measured["others"]},
        "importances": measured.get("importances"),
        "findings": getattr(network, "fit_report_", []),
        "parameters": manifest["parameters"],
        "versions": manifest["versions"],
    }
    with replaced_file(path) as file:
        file.write(f"{json.dumps(_plain(content), indent=2)}\n".encode())


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; numbers that are none become nothing."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value
