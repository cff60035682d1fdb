"""What a model file says of itself, as lines; knows no tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch_binary_classifier import wording

__all__ = ["facts"]

# Columns whose importance is shown.
N_IMPORTANT = 10


def facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what a manifest tells, in few words each.

    Parameters
    ----------
    manifest : dict
        Of a model file.

    Returns
    -------
    dict of str to str
        Facts by name, without those that the manifest does not have.
    """
    training = manifest.get("training") or {}
    found = {
        "created": manifest.get("created"),
        "written by": _pairs(manifest.get("versions")),
        "holds": manifest.get("holds"),
        "steps": ", ".join(f"{n} ({kind})" for n, kind in manifest.get("steps") or ()),
        "best": _best(manifest.get("search")),
        "classes": _classes(manifest.get("classes")),
        "threshold": _threshold(manifest.get("threshold")),
        "columns": ", ".join(_columns(manifest)),
        "rows": _rows(manifest),
        "layers": " and ".join(
            "-".join(map(str, widths)) for widths in training.get("layers") or ()
        ),
        "members": " and ".join(map(str, training.get("n_members") or ())),
        "epochs": training.get("epochs"),
        "training loss": _loss(training.get("loss")),
        "validation loss": _loss(training.get("validation_loss")),
        "best loss": _loss(training.get("best_loss")),
        "held out": _pairs(manifest.get("metrics")),
        "measured": _measured(manifest.get("evaluation") or {}),
        "importances": _importances(manifest.get("evaluation") or {}),
        "examples": len((manifest.get("examples") or {}).get("scores", ())),
        "notes": manifest.get("notes"),
    }
    return {name: wording.plain(str(fact)) for name, fact in found.items() if fact}


def _pairs(values: Mapping[str, Any] | None) -> str:
    """Return names and values as a phrase."""
    return ", ".join(
        f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in (values or {}).items()
    )


def _best(search: Mapping[str, Any] | None) -> str:
    """Return what a search has found best."""
    return wording.parameters((search or {}).get("best_params_") or {})


def _classes(classes: Any) -> str:
    """Return the labels, and whose probability comes second."""
    if not classes:
        return ""
    return f"{wording.listed(classes)}; probability of {classes[-1]!r}"


def _threshold(threshold: float | None) -> str:
    """Return from which probability on the second class is predicted, if it is told."""
    return "" if threshold is None else f"{threshold:.4g}"


def _measured(evaluation: Mapping[str, Any]) -> str:
    """Return how the metrics were measured."""
    data, date = evaluation.get("data"), evaluation.get("date")
    found = [
        f"on {evaluation['held_out']}" if evaluation.get("held_out") else "",
        f"trained on {wording.name(data)}" if data else "",
        str(date or ""),
        "then fitted anew on all rows"
        if evaluation.get("refitted_on_all_rows")
        else "",
    ]
    return ", ".join(words for words in found if words)


def _importances(evaluation: Mapping[str, Any]) -> str:
    """Return which columns matter most, and by how much the loss rises without."""
    columns = ((evaluation.get("importances") or {}).get("columns") or {}).items()
    columns = sorted(columns, key=lambda pair: -pair[1])
    first = [f"{wording.name(name)} {rise:.4f}" for name, rise in columns[:N_IMPORTANT]]
    n_more = len(columns) - len(first)
    return ", ".join(first) + (f" and {n_more} more" if n_more else "")


def _columns(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns of a model, with what the training table held if it is kept."""
    kept = manifest.get("schema")
    if kept is None:
        yield from map(wording.name, manifest.get("columns") or ())
        return
    for column in kept["columns"]:
        kind = "" if column["kind"] == "number" else f" ({column['kind']})"
        yield f"{wording.name(column['name'])}{kind}"


def _rows(manifest: Mapping[str, Any]) -> Any:
    """Return how many rows the training table had."""
    kept = manifest.get("schema") or manifest.get("training") or {}
    return kept.get("n_rows")


def _loss(value: float | str | None) -> str:
    """Return a loss in few digits; infinite ones are texts."""
    return f"{value:.4f}" if isinstance(value, float) else value or ""
