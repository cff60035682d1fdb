"""From a table to a saved Pipeline; knows no arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.model_selection import train_test_split

from torch_binary_classifier.assembly import (
    baselines,
    default_grid,
    tabular_pipeline,
    tuned,
)
from torch_binary_classifier.cli.columns import (
    Columns,
    choose_columns,
    frame,
    positive_label,
    target,
)
from torch_binary_classifier.cli.report import (
    OURS,
    write_columns,
    write_metrics,
    write_positive,
    write_search,
    write_verdict,
)
from torch_binary_classifier.cli.terminal import Output, write_paragraph
from torch_binary_classifier.model_card import card
from torch_binary_classifier.persistence import check_writable, replaced_file, save
from torch_binary_classifier.positive import with_positive
from torch_binary_classifier.report_page import report
from torch_binary_classifier.report_page.measures import metrics_on
from torch_binary_classifier.scoring import read_table
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.wording import plain

__all__ = ["HELD_OUT_FRACTION", "TrainingPlan", "train"]

HELD_OUT_FRACTION = 0.25


@dataclass(frozen=True)
class TrainingPlan:
    """How to train on a table.

    Attributes
    ----------
    target : str
        The column to predict.
    categorical : tuple of str
        Columns to treat as texts although they hold numbers.
    drop : tuple of str
        Columns to leave out.
    grid : bool
        Whether to search for the best parameters.
    seed : int
        Seed of the held-out rows and of the network.
    positive : str or None
        The label, as it is written, whose probability the model reports; None for
        the second one in sorted order.
    card : bool
        Whether to write a model card beside the model.
    report : path or None
        The page to write on how the model does on the rows held out.
    """

    target: str
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    grid: bool = False
    seed: int = 0
    positive: str | None = None
    card: bool = False
    report: Path | None = None


def train(
    data: Path,
    out: Path,
    plan: TrainingPlan,
    *,
    stream: Output,
    csv_format: CsvFormat | None = None,
) -> None:
    """Train on a table, report how well it went, and save the fitted Pipeline.

    Parameters
    ----------
    data : path
        The table, CSV or Parquet; ``-`` is a CSV file at standard input.
    out : path
        The model file to write.
    plan : TrainingPlan
        How to train.
    stream : text file
        Where the report goes.
    csv_format : CsvFormat, default=None
        Separator and encoding of a CSV file; None for a comma and UTF-8.

    Raises
    ------
    TableError
        If the table cannot be read, or its columns are unfit.
    OutputError
        If the model cannot be written; its folder is looked at before any work.
    """
    _check_outputs(out, plan)
    csv_format = csv_format or CsvFormat()
    table = read_table(
        data, separator=csv_format.separator, encoding=csv_format.encoding
    )
    y = target(table, plan.target)
    positive = positive_label(y, plan.positive)
    columns = choose_columns(
        table, plan.target, categorical=plan.categorical, drop=plan.drop
    )
    write_columns(table, columns, y, stream)
    write_positive(set(y.tolist()), positive, stream)
    X, held_out_X, y, held_out_y = train_test_split(
        frame(table, columns),
        y,
        test_size=HELD_OUT_FRACTION,
        stratify=y,
        random_state=plan.seed,
    )
    fitted = {OURS: _fitted(plan, columns, X, y, stream)}
    for name, baseline in baselines(**columns.by_kind).items():
        fitted[name] = baseline.fit(X, y)
    metrics = _measured(fitted, held_out_X, held_out_y, positive, stream)
    model = with_positive(fitted.pop(OURS), positive)
    save(model, out, X=X, metrics=metrics[OURS])
    _tell_saved(out, len(y), stream)
    if plan.card:
        _write_card(out, stream)
    _write_report(plan.report, model, held_out_X, held_out_y, fitted, stream)
    write_verdict(metrics, stream)


def _measured(
    fitted: Mapping[str, Any], X: Any, y: Any, positive: Any, stream: Output
) -> dict[str, dict[str, float]]:
    """Return and report the metrics of fitted classifiers on held-out rows."""
    metrics = {
        name: metrics_on(model, X, y, positive) for name, model in fitted.items()
    }
    write_metrics(metrics, f"On {len(y)} rows held out:", stream)
    return metrics


def _tell_saved(path: Path, n_rows: int, stream: Output) -> None:
    """Report that the model was written."""
    write_paragraph(
        f"Saved {plain(str(path))}, fitted on the {n_rows} rows that were not held out",
        stream,
    )


def _check_outputs(out: Path, plan: TrainingPlan) -> None:
    """Refuse files that could not be written after the work."""
    paths = [out, out.with_suffix(".md") if plan.card else None, plan.report]
    for path in paths:
        if path is not None:
            check_writable(path)


def _write_card(model: Path, stream: Output) -> None:
    """Write what a model file says of itself beside it."""
    path = model.with_suffix(".md")
    with replaced_file(path) as file:
        file.write(card(model).encode())
    _tell_written(path, stream)


def _write_report(
    path: Path | None,
    model: Any,
    X: Any,
    y: Any,
    rivals: Mapping[str, Any],
    stream: Output,
) -> None:
    """Write how a model does on the rows held out, if that was asked for."""
    if path is not None:
        report(model, X, y, path, rivals=rivals)
        _tell_written(path, stream)


def _tell_written(path: Path, stream: Output) -> None:
    """Report that a file beside the model was written."""
    stream.write(f"Wrote {plain(str(path))}\n")


def _fitted(
    plan: TrainingPlan, columns: Columns, X: Any, y: Any, stream: Output
) -> Any:
    """Return the fitted pipeline of a plan."""
    pipe = tabular_pipeline(**columns.by_kind).set_params(clf__random_state=plan.seed)
    if not plan.grid:
        stream.write("Training\n")
        stream.flush()
        return pipe.fit(X, y)
    stream.write("Searching for the best parameters\n")
    stream.flush()
    search = tuned(pipe, default_grid(), X, y)
    write_search(search, stream)
    return search.best_estimator_
