"""What a job is to do, in plain values, and how two of them differ; does nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import joblib
import pyarrow as pa

from torch_binary_classifier.persistence.versions import installed_versions
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.tables.streams import STANDARD_INPUT
from torch_binary_classifier.wording import shown

__all__ = ["Settings", "differences", "plan"]

FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """What the output depends on beside the input and the model.

    Attributes
    ----------
    keep : tuple of str or "all"
        Columns of the input that the output has as well.
    threshold : float or None
        Probability from which on a row is of ``classes_[1]``; None for the model's.
    logit : bool
        Whether the output has the logits.
    unseen : {"fail", "warn", "ignore"}
        What a category is that training never saw.
    types : {"strict", "coerce"}
        Whether cells must be of the types of training.
    csv_format : CsvFormat
        Separator and encoding.
    part_bytes : int
        About how much of a CSV file makes a part.
    """

    keep: tuple[str, ...] | Literal["all"]
    threshold: float | None
    logit: bool
    unseen: Literal["fail", "warn", "ignore"]
    types: Literal["strict", "coerce"]
    csv_format: CsvFormat
    part_bytes: int


def plan(
    model: Any, paths: Sequence[str], settings: Settings, schema: Any, kind: str
) -> dict[str, Any]:
    """Return what a job is to do, as JSON has it.

    Parameters
    ----------
    model : object
        The fitted classifier, known by a hash of all that it holds.
    paths : sequence of str
        The files to score, in order.
    settings : Settings
        What else the output depends on.
    schema : TableSchema or None
        That of the training table, if the model does not carry it.
    kind : str
        Suffix of the output, or nothing for a folder.

    Returns
    -------
    dict
        Plain values. Two jobs of equal plans write the same bytes, as long as the
        content of the files is the same: that is known part by part only, when they
        are read.
    """
    options = asdict(settings)
    options |= options.pop("csv_format")
    keep = options["keep"]
    return {
        "format": FORMAT,
        "inputs": [_stamp(path) for path in paths],
        "model": _hash_of(model),
        "options": options | {"keep": keep if keep == "all" else list(keep)},
        "schema": None if schema is None else joblib.hash(schema.to_dict()),
        "output": kind or "folder",
        # Other releases may change a score's last bits, or a file's bytes.
        "versions": installed_versions() | {"pyarrow": pa.__version__},
    }


def _hash_of(model: Any) -> str:
    """Return what tells whether a model is the same, be it loaded anew."""
    # What a search has measured says nothing of how it scores.
    scoring = getattr(model, "best_estimator_", model)
    try:
        return str(joblib.hash(scoring, hash_name="sha1"))
    except Exception:  # pickling a model can raise anything
        return f"does not pickle, so is another one each time: {secrets.token_hex(8)}"


def differences(former: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how a plan differs from a former one, a phrase each.

    Parameters
    ----------
    former, now : mapping
        Of `plan`.

    Returns
    -------
    list of str
        Nothing if they are equal.
    """
    before, after = dict(_flat(former)), dict(_flat(now))
    return [
        _difference(key, before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _difference(key: str, before: Any, after: Any) -> str:
    """Return one difference as a phrase."""
    if key in ("model", "schema"):
        return f"another {key}"
    return f"{key} {shown(after)} instead of {shown(before)}"


def _flat(plan: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a plan by the names that its user knows them by."""
    for key in ("format", "model", "schema", "output"):
        yield key, plan.get(key)
    yield "inputs", [given["path"] for given in plan["inputs"]]
    for given in plan["inputs"]:
        for fact in ("size", "modified"):
            yield f"{fact} of {given['path']}", given[fact]
    yield from plan["options"].items()
    for name, version in plan["versions"].items():
        yield f"version of {name}", version


def _stamp(path: str) -> dict[str, Any]:
    """Return what tells whether a file is the same, before it is read."""
    if path == STANDARD_INPUT or not Path(path).is_file():
        return {"path": path, "size": None, "modified": None}
    found = Path(path).stat()
    return {
        "path": str(Path(path).absolute()),
        "size": found.st_size,
        "modified": found.st_mtime_ns,
    }
