"""What a model file says of itself; knows fitted models by their attributes only."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from torch_binary_classifier.exceptions import SelfTestError
from torch_binary_classifier.persistence.examples import (
    MOST_ROWS,
    UnwritableRowsError,
    check_examples,
    describe_examples,
)
from torch_binary_classifier.persistence.model_file import FORMAT, READABLE_SINCE
from torch_binary_classifier.persistence.versions import installed_versions
from torch_binary_classifier.wording import listed, shown

if TYPE_CHECKING:
    from torch_binary_classifier.schemas import TableSchema

__all__ = [
    "decision_threshold",
    "describe_model",
    "last_step",
    "rows_of",
    "written_manifest",
]

# The classifiers that keep a threshold, and as what.
THRESHOLDS = {
    "FixedThresholdClassifier": "threshold",
    "TunedThresholdClassifierCV": "best_threshold_",
}
# Rows of the training table of which the scale of the network's input is measured.
MOST_MEASURED_ROWS = 5_000


def describe_model(
    model: Any,
    *,
    X: Any = None,
    metrics: Mapping[str, float] | None = None,
    notes: str | None = None,
    examples: Any = None,
    evaluation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a model, without what belongs to its file.

    Parameters
    ----------
    model : object
        Any, fitted or not.
    X : DataFrame, Table, array or sparse matrix, default=None
        The table that it was trained on.
    metrics : dict of str to float, default=None
        What was measured on other rows.
    notes : str, default=None
        Anything.
    examples : DataFrame, Table, array or sparse matrix, default=None
        A few rows; None for some of X.
    evaluation : dict of str to object, default=None
        How the metrics were measured.

    Returns
    -------
    dict
        Plain values, as JSON has them.

    Raises
    ------
    ValueError
        If X is no table or not the model's, if what is told is something else,
        or if examples are too many or not to be scored or written.
    """
    _check_told(metrics, notes, evaluation)
    table = None if X is None else _schema(model, X)
    kept = _kept(model)
    described = {
        "format": FORMAT,
        "readable_since": READABLE_SINCE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": installed_versions(),
        **_structure(model),
        "training": _training(last_step(model)),
        "schema": kept.get("schema"),
        "input_scale": kept.get("input_scale"),
        "examples": kept.get("examples"),
        "metrics": kept.get("metrics") if metrics is None else _plain(metrics),
        "notes": kept.get("notes") if notes is None else notes,
    }
    # Only where there are any: readers of this format know manifests without.
    optional = {
        "threshold": decision_threshold(model),
        "evaluation": kept.get("evaluation") if evaluation is None else evaluation,
    }
    described |= {n: _plain(told) for n, told in optional.items() if told is not None}
    if table is not None:
        described["schema"] = table.to_dict()
        described["input_scale"] = _input_scale(model, X)
    if hasattr(model, "predict_proba") and (X is not None or examples is not None):
        described["examples"] = _examples(model, X, examples)
    return described


def _check_told(metrics: Any, notes: Any, evaluation: Any) -> None:
    """Refuse metrics that are no numbers by name, and notes that are no text."""
    if evaluation is not None and not isinstance(evaluation, Mapping):
        msg = f"evaluation must be values by their names, got {shown(evaluation)}."
        raise ValueError(msg)
    if metrics is not None and not (
        isinstance(metrics, Mapping)
        and all(isinstance(value, Real) for value in metrics.values())
    ):
        msg = f"metrics must be numbers by their names, got {shown(metrics)}."
        raise ValueError(msg)
    if notes is not None and not isinstance(notes, str):
        msg = f"notes must be a text, got {shown(notes)}."
        raise ValueError(msg)


def _schema(model: Any, X: Any) -> TableSchema:
    """Return the schema of a model's training table, or refuse another table."""
    from torch_binary_classifier.schemas import schema

    try:
        table = schema(X)
    except ValueError as error:
        msg = f"X{str(error).removeprefix('table')}"
        raise ValueError(msg) from error
    names = getattr(model, "feature_names_in_", None)
    if names is not None and table.is_named and list(names) != list(table.names):
        msg = (
            f"X must have the columns that the model was trained on, {listed(names)}, "
            f"got {listed(table.names)}."
        )
        raise ValueError(msg)
    n_columns = getattr(model, "n_features_in_", len(table.columns))
    if n_columns != len(table.columns):
        msg = (
            f"X must have the {n_columns} columns that the model was trained on, "
            f"got {len(table.columns)}."
        )
        raise ValueError(msg)
    return table


def _kept(model: Any) -> Mapping[str, Any]:
    """Return what the file of a loaded model said, unless it was fitted anew since."""
    manifest: Mapping[str, Any] = getattr(model, "_manifest", None) or {}
    examples = manifest.get("examples")
    if examples is not None:
        try:
            check_examples(model, examples)
        except SelfTestError:
            return {}
    return manifest


def written_manifest(described: Mapping[str, Any], kind: str, payload: bytes) -> bytes:
    """Return the manifest of a file as its bytes: JSON, keys sorted, ASCII.

    Parameters
    ----------
    described : dict
        Of `describe_model`.
    kind : {"joblib", "skops"}
        What the model is written in.
    payload : bytes
        The model as it is written.

    Returns
    -------
    bytes
        The manifest, with the digest of the payload, by which a model is known however
        often its file is signed.
    """
    digest = hashlib.sha256(payload).hexdigest()
    told = {"kind": kind, "n_bytes": len(payload), "sha256": digest}
    manifest = {**described, "payload": told}
    return json.dumps(manifest, sort_keys=True, allow_nan=False).encode("ascii")


def last_step(model: Any) -> Any:
    """Return the classifier at the end of a pipeline, of a search and the like."""
    steps = _steps(model)
    last = steps[-1][1] if steps else getattr(model, "best_estimator_", model)
    while hasattr(last, "estimator_"):
        last = last.estimator_
    return last


def decision_threshold(model: Any) -> float | None:
    """Return from which probability of its second class on a model predicts it.

    Parameters
    ----------
    model : object
        Any.

    Returns
    -------
    float or None
        That of a threshold classifier of scikit-learn at the end of pipelines and
        searches; None for other models, and where it is no such probability.
    """
    steps = _steps(model)
    last = steps[-1][1] if steps else getattr(model, "best_estimator_", model)
    if last is not model:
        return decision_threshold(last)
    attribute = THRESHOLDS.get(type(model).__name__)
    found = None if attribute is None else getattr(model, attribute, None)
    is_probability = (
        isinstance(found, Real)
        and model.response_method in ("auto", "predict_proba")
        and hasattr(getattr(model, "estimator_", None), "predict_proba")
        and getattr(model, "pos_label", None) in (None, model.classes_[1])
    )
    return float(found) if is_probability else None  # type: ignore[arg-type]


def _steps(model: Any) -> Sequence[tuple[str, Any]]:
    """Return the named steps of a pipeline, be it the best one of a search."""
    steps: Sequence[tuple[str, Any]] = getattr(
        getattr(model, "best_estimator_", model), "steps", ()
    )
    return steps


def _structure(model: Any) -> dict[str, Any]:
    """Return what a model is made of."""
    parameters = model.get_params() if hasattr(model, "get_params") else {}
    best = {
        name: _plain(getattr(model, name))
        for name in ("best_params_", "best_score_")
        if hasattr(model, name)
    }
    return {
        "holds": type(model).__name__,
        "steps": [[name, type(step).__name__] for name, step in _steps(model)],
        "classes": _plain(getattr(model, "classes_", None)),
        "columns": _plain(getattr(model, "feature_names_in_", None)),
        "n_columns": _plain(getattr(model, "n_features_in_", None)),
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "search": best or None,
    }


def _training(network: Any) -> dict[str, Any] | None:
    """Return how a network was trained; None for other classifiers."""
    kinds = getattr(network, "kinds_", [getattr(network, "__dict__", {})])
    if "coefs_" not in kinds[0]:
        return None
    layers, n_members = [], []
    for kind in kinds:
        weights = kind["coefs_"]
        layers.append([weights[0].shape[-2], *(w.shape[-1] for w in weights)])
        n_members.append(len(weights[0]) if weights[0].ndim == 3 else 1)
    held_out = getattr(network, "oof_decision_function_", None)
    facts = {
        "layers": layers,
        "n_members": n_members,
        "epochs": network.n_iter_,
        "loss": _last(getattr(network, "loss_curve_", None)),
        "validation_loss": _last(getattr(network, "validation_loss_curve_", None)),
        "best_loss": network.best_loss_,
        "n_rows": None if held_out is None else len(held_out),
    }
    return {name: _plain(fact) for name, fact in facts.items()}


def _last(curve: Any) -> Any:
    """Return the end of a curve; None if there is none."""
    return None if curve is None or len(curve) == 0 else np.asarray(curve)[-1]


def _examples(model: Any, X: Any, given: Any) -> dict[str, Any] | None:
    """Return examples and their scores; None where those of X cannot be written."""
    if given is None:
        step = max(1, _n_rows(X) // MOST_ROWS)
        rows = rows_of(X, slice(0, step * MOST_ROWS, step))
    elif 0 < _n_rows(given) <= MOST_ROWS:
        rows = given
    else:
        msg = f"examples must be 1 to {MOST_ROWS} rows, got {_n_rows(given)}."
        raise ValueError(msg)
    try:
        return describe_examples(model, rows)
    except Exception as error:
        if given is None:
            return None
        if isinstance(error, UnwritableRowsError):
            msg = f"examples must be {error}."
            raise ValueError(msg) from error
        raise


def _input_scale(model: Any, X: Any) -> dict[str, Any] | None:
    """Return a fingerprint of the scale of what the last step was trained on."""
    from torch_binary_classifier.estimator.input_scale import measure

    step = -(-max(1, _n_rows(X)) // MOST_MEASURED_ROWS)
    rows = rows_of(X, slice(None, None, step))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _, transformer in _steps(model)[:-1]:
                if transformer not in (None, "passthrough"):
                    rows = transformer.transform(rows)
        sparse = scipy.sparse.issparse(rows)
        scale = measure(rows.tocsr() if sparse else np.asarray(rows, dtype=float))
    except Exception:  # the last step takes no numbers, or the steps take no rows alone
        return None
    digits = [
        [f"{value:.6g}" for value in part] for part in (scale.mean, scale.deviation)
    ]
    return {
        "n_inputs": len(scale.mean),
        "mean": _plain([scale.mean.min(), scale.mean.max()]),
        "deviation": _plain([scale.deviation.min(), scale.deviation.max()]),
        "sha256": hashlib.sha256(json.dumps(digits).encode("ascii")).hexdigest(),
    }


def _n_rows(table: Any) -> int:
    """Return how many rows a table has."""
    return int(table.shape[0]) if hasattr(table, "shape") else len(table)


def rows_of(table: Any, chosen: slice) -> Any:
    """Return some rows of a table, in a container of the same kind."""
    if hasattr(table, "iloc"):
        return table.iloc[chosen]
    sparse: bool = scipy.sparse.issparse(table)
    if sparse:
        return table.tocsr()[chosen]
    if hasattr(table, "take") and hasattr(table, "schema"):  # of pyarrow
        return table.take(list(range(*chosen.indices(_n_rows(table)))))
    return table[chosen] if hasattr(table, "shape") else np.asarray(table)[chosen]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON has not, as Python shows it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return type(value).__name__ if hasattr(value, "get_params") else shown(value)
