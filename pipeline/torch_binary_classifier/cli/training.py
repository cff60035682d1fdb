"""From a table to a saved Pipeline; knows no arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.base import clone

from torch_binary_classifier.assembly import (
    baselines,
    tabular_pipeline,
)
from torch_binary_classifier.cli.columns import (
    Columns,
    choose_columns,
    frame,
    positive_label,
    target,
)
from torch_binary_classifier.cli.deciding import found_threshold
from torch_binary_classifier.cli.holdout import Split, split
from torch_binary_classifier.cli.measuring import Measuring, Threshold
from torch_binary_classifier.cli.messages import Warnings, warn
from torch_binary_classifier.cli.parameters import NetworkParameters
from torch_binary_classifier.cli.progress import Watch
from torch_binary_classifier.cli.record import (
    evaluation,
    importances,
    told,
    write_json,
)
from torch_binary_classifier.cli.report import (
    OURS,
    write_columns,
    write_findings,
    write_importances,
    write_metrics,
    write_positive,
    write_verdict,
)
from torch_binary_classifier.cli.terminal import Output, write_paragraph
from torch_binary_classifier.cli.tuning import Training
from torch_binary_classifier.estimator.fit_report import report_lines
from torch_binary_classifier.model_card import card
from torch_binary_classifier.persistence import (
    check_writable,
    read_model_file,
    replaced_file,
    save,
)
from torch_binary_classifier.persistence.manifest import last_step
from torch_binary_classifier.positive import with_positive, with_threshold
from torch_binary_classifier.report_page import report
from torch_binary_classifier.report_page.measures import metrics_on
from torch_binary_classifier.scoring import read_table
from torch_binary_classifier.tables.csv_format import CsvFormat
from torch_binary_classifier.wording import plain

__all__ = ["TrainingPlan", "train"]


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
    search : {"", "grid", "tune"}
        Whether to search for the best parameters, and how.
    time_limit : float or None
        Seconds for the training.
    quiet : bool
        Whether nobody reads the report, so that problems are warnings.
    seed : int
        Seed of the held-out rows and of the network.
    positive : str or None
        The label, as it is written, whose probability the model reports; None for
        the second one in sorted order.
    card : bool
        Whether to write a model card beside the model.
    report : path or None
        The page to write on how the model does on the rows held out.
    json : path or None
        The file to write with all that was measured.
    measuring : Measuring
        On which rows the model is measured, and what is done then.
    parameters : NetworkParameters
        What is said of the network.
    threshold : Threshold or None
        How the threshold of a decision is found; None for the more probable class.
    """

    target: str
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    search: str = ""
    time_limit: float | None = None
    quiet: bool = False
    seed: int = 0
    positive: str | None = None
    card: bool = False
    report: Path | None = None
    json: Path | None = None
    measuring: Measuring = field(default_factory=Measuring)
    parameters: NetworkParameters = field(default_factory=NetworkParameters)
    threshold: Threshold | None = None

    @property
    def rule(self) -> str | None:
        """Return how the threshold is found, as it is written."""
        return None if self.threshold is None else str(self.threshold)


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
    task = _task(data, plan, stream, csv_format or CsvFormat())
    parts, positive = task.parts, task.positive
    training = _training(plan, _pipeline(plan, task.columns, parts.y), stream)
    pipe = training.fit(plan.search, parts.X, parts.y)
    write_findings(report_lines(last_step(pipe)), stream)
    threshold = _threshold(plan, pipe, task, stream)
    fitted = {OURS: _deciding(pipe, positive, threshold)}
    for name, baseline in baselines(**task.columns.by_kind).items():
        fitted[name] = baseline.fit(parts.X, parts.y)
    metrics = _measured(fitted, parts, positive, threshold, stream)
    measured = fitted.pop(OURS)
    told_of = evaluation(data, plan.measuring, parts, metrics, positive)
    if plan.measuring.importances:
        told_of["importances"] = _importances(measured, parts, stream)
    X, y, notes = parts.X, parts.y, training.notes
    if plan.measuring.refit_all:
        X, y = task.rows
        again = _training(plan, clone(pipe), stream)
        pipe, notes = again.fit("", X, y), [*notes, *again.notes]
    model = _deciding(pipe, positive, threshold)
    save(
        model,
        out,
        X=X,
        metrics=told(metrics[OURS]),
        evaluation=told_of,
        notes=" ".join(notes) or None,
    )
    _tell_saved(out, len(y), len(task.rows[1]), stream)
    _write_beside(plan, out, _Done(pipe, measured, fitted, parts), stream)
    write_verdict(metrics, Warnings() if plan.quiet else stream)


@dataclass(frozen=True)
class _Task:
    """What a table gives to learn from, and what of it is held out."""

    columns: Columns
    rows: tuple[Any, Any]
    positive: Any
    parts: Split


def _task(
    data: Path, plan: TrainingPlan, stream: Output, csv_format: CsvFormat
) -> _Task:
    """Read a table, report what it holds, and hold rows out."""
    table = read_table(
        data, separator=csv_format.separator, encoding=csv_format.encoding
    )
    y = target(table, plan.target)
    positive = positive_label(y, plan.positive)
    plan.parameters.for_step("clf", y)
    columns = choose_columns(
        table, plan.target, categorical=plan.categorical, drop=plan.drop
    )
    write_columns(table, columns, y, stream)
    write_positive(set(y.tolist()), positive, stream)
    rows = frame(table, columns), y
    parts = split(
        plan.measuring,
        table,
        columns,
        rows,
        target=plan.target,
        seed=plan.seed,
        csv_format=csv_format,
    )
    return _Task(columns, rows, positive, parts)


def _threshold(
    plan: TrainingPlan, pipe: Any, task: _Task, stream: Output
) -> float | None:
    """Return from which probability on the positive class is predicted, if not 0.5."""
    if plan.threshold is None:
        return None
    parts = task.parts
    found = found_threshold(plan.threshold, pipe, parts.X, parts.y, task.positive)
    if plan.threshold.rule != "number":
        write_paragraph(
            f"Threshold: {found:.4f}, best for {plan.threshold} on the rows trained "
            "on, each scored by networks that have not seen it",
            stream,
        )
    return found


def _deciding(pipe: Any, positive: Any, threshold: float | None) -> Any:
    """Return a fitted pipeline that decides for the positive class as it shall."""
    model = with_positive(pipe, positive)
    return model if threshold is None else with_threshold(model, threshold)


def _measured(
    fitted: Mapping[str, Any],
    parts: Split,
    positive: Any,
    threshold: float | None,
    stream: Output,
) -> dict[str, dict[str, float]]:
    """Return and report the metrics of fitted classifiers on held-out rows."""
    metrics = {
        name: metrics_on(
            model, parts.rows_held_out, parts.labels_held_out, positive, threshold
        )
        for name, model in fitted.items()
    }
    at = "" if threshold is None else f", all with a threshold of {threshold:.4g}"
    write_metrics(metrics, f"On {parts.words}{at}:", stream)
    return metrics


def _importances(model: Any, parts: Split, stream: Output) -> Any:
    """Return and report which columns matter."""
    found = importances(model, parts.rows_held_out, parts.labels_held_out)
    write_importances(found, stream)
    return found


def _tell_saved(path: Path, n_rows: int, n_all: int, stream: Output) -> None:
    """Report that the model was written."""
    which = (
        f"all {n_all} rows"
        if n_rows == n_all
        else f"the {n_rows} rows that were not held out"
    )
    write_paragraph(f"Saved {plain(str(path))}, fitted on {which}", stream)


def _check_outputs(out: Path, plan: TrainingPlan) -> None:
    """Refuse files that could not be written after the work."""
    card_path = out.with_suffix(".md") if plan.card else None
    paths = [out, card_path, plan.report, plan.json]
    for path in paths:
        if path is not None:
            check_writable(path)


@dataclass(frozen=True)
class _Done:
    """What was trained and saved, and what it was measured by."""

    pipe: Any
    measured: Any
    rivals: Mapping[str, Any]
    parts: Split


def _write_beside(plan: TrainingPlan, out: Path, done: _Done, stream: Output) -> None:
    """Write the files beside the model that were asked for."""
    manifest = read_model_file(out).manifest or {}
    if plan.card:
        _write_card(out, stream)
    if plan.json is not None:
        write_json(plan.json, manifest, last_step(done.pipe), done.parts.y, plan.rule)
        _tell_written(plan.json, stream)
    if plan.report is not None:
        held_out = done.parts.rows_held_out, done.parts.labels_held_out
        report(
            done.measured,
            *held_out,
            plan.report,
            rivals=done.rivals,
            manifest=manifest,
        )
        _tell_written(plan.report, stream)


def _write_card(model: Path, stream: Output) -> None:
    """Write what a model file says of itself beside it."""
    path = model.with_suffix(".md")
    with replaced_file(path) as file:
        file.write(card(model).encode())
    _tell_written(path, stream)


def _tell_written(path: Path, stream: Output) -> None:
    """Report that a file beside the model was written."""
    stream.write(f"Wrote {plain(str(path))}\n")


def _training(plan: TrainingPlan, pipe: Any, stream: Output) -> Training:
    """Return what fits a pipeline; time begins now."""
    watch = Watch(is_shown=not plan.quiet, time_limit=plan.time_limit)
    return Training(pipe, watch, stream, warn, plan.parameters.values)


def _pipeline(plan: TrainingPlan, columns: Columns, y: Any) -> Any:
    """Return the unfitted pipeline of a plan."""
    given = {"clf__random_state": plan.seed, **plan.parameters.for_step("clf", y)}
    return tabular_pipeline(**columns.by_kind).set_params(**given)
