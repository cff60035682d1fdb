"""What `train` and `demo` print; measures and decides nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch_binary_classifier import wording
from torch_binary_classifier.assembly import N_FOLDS
from torch_binary_classifier.cli.columns import Columns
from torch_binary_classifier.cli.terminal import Output, write_paragraph
from torch_binary_classifier.scoring import Chunk

__all__ = [
    "OURS",
    "PRIOR",
    "listed_metrics",
    "write_columns",
    "write_findings",
    "write_fold_losses",
    "write_importances",
    "write_metrics",
    "write_positive",
    "write_verdict",
]

# Columns whose importance is listed.
N_IMPORTANT = 15
# The columns of the table of metrics that are compared.
OURS, PRIOR = "this pipeline", "prior only"


def write_columns(table: Chunk, columns: Columns, y: Any, stream: Output) -> None:
    """Report what a table holds, and which of its columns need a second look.

    Parameters
    ----------
    table : Chunk
        The whole table.
    columns : Columns
        What its columns are taken for.
    y : ndarray of shape (n_rows,)
        The labels.
    stream : text file
        Where to write.
    """
    counts = {kind: len(names) for kind, names in columns.by_kind.items()}
    classes = ", ".join(
        f"{n} of {wording.name(label)}"
        for label, n in sorted(Counter(y.tolist()).items())
    )
    times = f", {counts['times']} of dates or durations" if counts["times"] else ""
    write_paragraph(
        f"Read {table.n_rows} rows of {wording.plain(table.source)} ({classes}): "
        f"{counts['numeric']} numeric and {counts['categorical']} categorical "
        f"columns{times}",
        stream,
    )
    for note in columns.notes:
        write_paragraph(note, stream, first="Note: ")


def write_positive(labels: Any, positive: object, stream: Output) -> None:
    """Report which class the probability is of, and how to choose the other one.

    Parameters
    ----------
    labels : sequence of label
        Both classes.
    positive : label
        The one that the probability is of.
    stream : text file
        Where to write.
    """
    (other,) = (label for label in labels if label != positive)
    write_paragraph(
        f"The probability is that of {wording.shown(positive)} (--positive "
        f"{wording.name(other)} for the other class)",
        stream,
    )


def write_fold_losses(losses: Mapping[str, float], n_rows: int, stream: Output) -> None:
    """Report cross-validated losses side by side.

    Parameters
    ----------
    losses : mapping of str to float
        Mean log-loss of each classifier, in nats.
    n_rows : int
        Rows of all folds.
    stream : text file
        Where to write.
    """
    width = max(len(name) for name in losses)
    stream.write(f"Log-loss in {N_FOLDS} folds of the {n_rows} rows:\n")
    for name, loss in losses.items():
        stream.write(f"  {name:<{width}}{loss:>10.4f}\n")


def write_metrics(
    metrics: Mapping[str, Mapping[str, float]], title: str, stream: Output
) -> None:
    """Report metrics of classifiers side by side.

    Parameters
    ----------
    metrics : mapping of str to mapping of str to float
        The metrics of each classifier.
    title : str
        On which rows they were measured, and how.
    stream : text file
        Where to write.
    """
    write_paragraph(title, stream)
    names = list(next(iter(metrics.values())))
    width = max(map(len, names))
    stream.write(f"  {'':<{width}}{''.join(f'  {model}' for model in metrics)}\n")
    for name in names:
        cells = "".join(
            f"{_cell(values[name]):>{len(model) + 2}}"
            for model, values in metrics.items()
        )
        stream.write(f"  {name:<{width}}{cells}\n")


def _cell(value: float) -> str:
    """Return a metric, a dash where the rows do not tell it."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def write_findings(messages: Sequence[str], stream: Output) -> None:
    """Report what there is to be said of a training.

    Parameters
    ----------
    messages : sequence of str
        Of ``fit_report_``; none where all is well.
    stream : text file
        Where to write.
    """
    for message in messages:
        write_paragraph(message, stream, first="Finding: ")


def write_importances(found: Mapping[str, Any] | None, stream: Output) -> None:
    """Report which columns matter most.

    Parameters
    ----------
    found : mapping or None
        Of `cli.record.importances`.
    stream : text file
        Where to write.
    """
    if found is None:
        stream.write("No importances: the table has too many columns to shuffle\n")
        return
    write_paragraph(
        f"By how much the {found['loss']} of {found['n_rows']} rows rises when a "
        f"column is shuffled, mean of {found['n_repeats']} shuffles:",
        stream,
    )
    first = list(found["columns"].items())[:N_IMPORTANT]
    for name, rise in first:
        stream.write(f"  {rise:>8.4f}  {wording.name(name)}\n")
    n_more = len(found["columns"]) - len(first)
    if n_more:
        stream.write(f"  and {n_more} columns that matter less\n")


def listed_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as a phrase.

    Parameters
    ----------
    metrics : mapping of str to float
        Metrics by name.

    Returns
    -------
    str
        Names and values between commas.
    """
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def write_verdict(metrics: Mapping[str, Mapping[str, float]], stream: Output) -> None:
    """Say so if a model does worse than the frequencies of the classes alone.

    Parameters
    ----------
    metrics : mapping of str to mapping of str to float
        The metrics on held-out rows of each classifier.
    stream : text file
        Where to write.
    """
    ours, prior = (metrics[name]["log-loss"] for name in (OURS, PRIOR))
    if ours > prior:
        write_paragraph(
            "Do not use this model: on the held-out rows it is worse than the class "
            f"frequencies alone (log-loss {ours:.4f} against {prior:.4f})",
            stream,
        )
