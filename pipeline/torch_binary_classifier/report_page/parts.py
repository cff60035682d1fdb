"""The parts of the page that are about the table, the training and the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from torch_binary_classifier import wording
from torch_binary_classifier.estimator.fit_report import report_lines
from torch_binary_classifier.pictures.drawing import label_of
from torch_binary_classifier.pictures.input_scale import InputScaleDisplay
from torch_binary_classifier.pictures.loss_curve import LossCurveDisplay
from torch_binary_classifier.pictures.search import SearchDisplay
from torch_binary_classifier.pictures.steps import last_of
from torch_binary_classifier.report_page.drawing import drawn
from torch_binary_classifier.report_page.markup import (
    escaped,
    facts,
    figure,
    folded,
    paragraph,
    section,
    table,
)
from torch_binary_classifier.report_page.measures import N_REPEATS, importances_of
from torch_binary_classifier.report_page.subject import Subject
from torch_binary_classifier.schemas import ColumnSchema, TableSchema, schema

__all__ = ["data", "findings", "importance", "inputs", "saved", "search", "training"]

# Columns in the open, and beyond those behind a click.
FIRST_COLUMNS = 12
MOST_COLUMNS = 200
MOST_IMPORTANT = 15
MOST_CHARACTERS = 80  # of a parameter


def data(subject: Subject) -> str:
    """Return what the rows hold, column by column.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML.
    """
    n_rows, n_positive = len(subject.y), int(subject.is_positive.sum())
    negative, positive = subject.labels
    counts = {
        "Rows": f"{n_rows:,}",
        f"Of {positive} (positive)": _part(n_positive, n_rows),
        f"Of {negative}": _part(n_rows - n_positive, n_rows),
    }
    try:
        found = schema(subject.X)
    except ValueError:  # lists of texts, for example
        return section("Data", facts(counts))
    counts["Columns"] = f"{len(found.columns):,}"
    return section("Data", facts(counts), _columns(found))


def _part(n: int, n_all: int) -> str:
    """Return a count and its share."""
    return f"{n:,} ({100 * n / n_all:.3g} %)"


def _columns(found: TableSchema) -> str:
    """Return the columns of a table, those beyond some behind a click."""
    titles = ["Column", "Kind", "Missing", "Distinct", "Range"]
    rows = [_column(one) for one in found.columns[:MOST_COLUMNS]]
    first, rest = rows[:FIRST_COLUMNS], rows[FIRST_COLUMNS:]
    n_left_out = len(found.columns) - len(rows)
    left_out = f" of {n_left_out + len(rest):,}" if n_left_out else ""
    more = folded(f"{len(rest):,} more columns{left_out}", table(titles, rest))
    return table(titles, first) + (more if rest else "")


def _column(column: ColumnSchema) -> list[str]:
    """Return what one column holds, cell by cell."""
    share = column.missing_share
    numbers, times = column.numbers, column.times
    extent = ""
    if numbers is not None:
        low, high = numbers.quantiles[0], numbers.quantiles[-1]
        extent = f"{low:.4g} to {high:.4g}"
    elif times is not None and times.earliest is not None:
        extent = f"{times.earliest} to {times.latest}"
    return [
        wording.name(column.name),
        times.what if times else column.kind,
        f"{100 * share:.3g} %" if share else "none",
        "" if column.n_distinct is None else f"{column.n_distinct:,}",
        extent,
    ]


def inputs(subject: Subject) -> str:
    """Return where the columns lie that come to the last step.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML; nothing if what comes there is no table of numbers.
    """
    try:
        display = InputScaleDisplay.of(subject.model, subject.X)
    except (TypeError, ValueError):
        return ""
    n_lines = len(display.shown)
    picture = drawn(
        display.plot, "Input scale", height=float(np.clip(1.4 + 0.19 * n_lines, 2, 3.8))
    )
    off = display.off
    told = "All columns lie where a network learns well."
    if off.any():
        told = f"{int(off.sum()):,} of {len(off):,} columns do not."
    name = type(last_of(subject.model)).__name__
    return section(
        "Input scale",
        figure(
            picture,
            f"Mean (dot) and deviation (bar) of the columns that come to {name}, the "
            f"last step, in these rows. {told}",
        ),
    )


def training(subject: Subject) -> str:
    """Return the losses of the training.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML; nothing for a model without losses.
    """
    try:
        display = LossCurveDisplay.of(subject.model)
    except ValueError:
        return ""
    watched = "validation loss" if display.validation_loss_curves else "training loss"
    told = (
        f"Loss per epoch, averaged over the networks. The {watched} was lowest in "
        f"epoch {display.best_epoch} of {display.n_epochs}."
    )
    return section("Training", figure(drawn(display.plot, "Losses"), told))


def findings(subject: Subject) -> str:
    """Return what the fit had to say of itself.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML; nothing for a model without a ``fit_report_``, or with an empty one.
    """
    messages = report_lines(last_of(subject.model))
    items = "\n".join(f"<li>{escaped(message)}</li>" for message in messages)
    return section("Findings of the fit", f"<ul>\n{items}\n</ul>" if items else "")


def search(subject: Subject) -> str:
    """Return what a search tried.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML; nothing for a model that is no search.
    """
    try:
        display = SearchDisplay.of(subject.model)
    except ValueError:
        return ""
    best = wording.parameters(getattr(subject.model, "best_params_", {}))
    told = f"The candidates of the search. The best: {best}."
    return section("Search", figure(drawn(display.plot, "Search"), told))


def importance(subject: Subject) -> str:
    """Return how much the scores owe to each column.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML; nothing for tables whose columns cannot be shuffled.
    """
    found = importances_of(subject)
    if found is None:
        return ""
    names = [str(name) for name in getattr(subject.X, "columns", [])]
    names = names or [f"x{column}" for column in range(len(found.losses))]
    means = found.losses.mean(axis=1)
    first = np.argsort(-means, kind="stable")[:MOST_IMPORTANT]

    def draw(ax: Any) -> None:
        chosen, places = found.losses[first], range(len(first))
        ends = [means[first] - chosen.min(axis=1), chosen.max(axis=1) - means[first]]
        ax.errorbar(means[first], places, xerr=ends, fmt="o", markersize=4, capsize=3)
        ax.axvline(0, color="0.5", linewidth=1, linestyle="--")
        ax.set_yticks(places, [label_of(names[column]) for column in first])
        ax.set(xlabel=f"Rise of the {found.loss_name}", ylim=(len(first) - 0.5, -0.5))

    n_more = len(names) - len(first)
    more = f" {n_more:,} columns that matter less are not shown." if n_more else ""
    told = (
        f"By how much the {found.loss_name} rises when a column is shuffled: mean, "
        f"lowest and highest of {N_REPEATS} shuffles of {found.n_rows:,} rows. Columns "
        f"that tell the same stand in for each other.{more}"
    )
    height = float(np.clip(0.9 + 0.2 * len(first), 1.5, 4))
    return section(
        "Importance of columns",
        figure(drawn(draw, "Permutation importance", height=height), told),
    )


def saved(subject: Subject) -> str:
    """Return what the file of a saved model says of it.

    Parameters
    ----------
    subject : Subject
        The model and the rows.

    Returns
    -------
    str
        HTML; nothing for a model that came from no file.
    """
    manifest = subject.manifest
    if not manifest:
        return ""
    measured = manifest.get("evaluation") or {}
    told = {
        "Saved": manifest.get("created"),
        "Format": manifest.get("format"),
        "Holds": manifest.get("holds"),
        "Steps": ", ".join(f"{name} ({kind})" for name, kind in manifest["steps"]),
        "SHA-256": (manifest.get("payload") or {}).get("sha256"),
        **{f"Version of {k}": v for k, v in (manifest.get("versions") or {}).items()},
        **{
            f"{name} in the file": f"{value:.4f}"
            for name, value in (manifest.get("metrics") or {}).items()
        },
        "Threshold": manifest.get("threshold"),
        "Trained on": measured.get("data"),
        "Measured": measured.get("date"),
        "Measured on": measured.get("held_out"),
        "Fitted anew": "on all rows, after it was measured"
        if measured.get("refitted_on_all_rows")
        else None,
    }
    parameters = [
        [name, wording.shown(value)[:MOST_CHARACTERS]]
        for name, value in sorted((manifest.get("parameters") or {}).items())
    ]
    return section(
        "Saved model",
        facts({name: value for name, value in told.items() if value not in (None, "")}),
        paragraph(manifest["notes"]) if manifest.get("notes") else "",
        folded(f"{len(parameters):,} parameters", table(["Name", "Value"], parameters)),
    )
