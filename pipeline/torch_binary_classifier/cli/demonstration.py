"""From a table to scores of another process; the whole way, on real data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier.assembly import baselines, fold_loss
from torch_binary_classifier.classifier import TorchBinaryClassifier
from torch_binary_classifier.cli import PROGRAM
from torch_binary_classifier.cli.columns import choose_columns, frame
from torch_binary_classifier.cli.folders import make_folder
from torch_binary_classifier.cli.holdout import HELD_OUT_FRACTION
from torch_binary_classifier.cli.report import (
    OURS,
    listed_metrics,
    write_columns,
    write_fold_losses,
    write_metrics,
)
from torch_binary_classifier.cli.terminal import Output, write_paragraph
from torch_binary_classifier.cli.tuning import write_best, write_candidate
from torch_binary_classifier.exceptions import OutputError
from torch_binary_classifier.persistence import load, replaced_file, save
from torch_binary_classifier.report_page import report
from torch_binary_classifier.report_page.measures import metrics_on
from torch_binary_classifier.scoring import read_table
from torch_binary_classifier.tuning import measured

__all__ = ["demonstrate"]

DEMO_TARGET = "diagnosis"


def demonstrate(folder: Path, *, stream: Output) -> None:
    """Tune, save and score on real data, and report each step.

    Parameters
    ----------
    folder : path
        Where the model goes; the tables go into its subfolder ``demo``.
    stream : text file
        Where the report goes.

    Raises
    ------
    OutputError
        If a file cannot be written.

    Notes
    -----
    The data are the 569 tumours of scikit-learn's breast cancer set. A quarter of
    them plays the part of new rows, which another process scores.
    """
    files = _DemoFiles(folder)
    new_y = _write_demo_tables(files)
    table = read_table(files.train)
    y = table.labels(DEMO_TARGET)
    columns = choose_columns(table, DEMO_TARGET)
    write_columns(table, columns, y, stream)
    X, new_X = frame(table, columns), frame(read_table(files.new), columns)
    pipe, candidates = _demo_candidates()
    stream.write("Searching for the best parameters of StandardScaler + network\n")
    found = [measured(pipe, parameters, X, y) for parameters in candidates]
    for candidate in found:
        write_candidate(candidate, stream)
    best = min(found, key=lambda candidate: candidate.loss)
    write_best(best, stream)
    model = pipe.set_params(**best.parameters).fit(X, y)
    fitted, losses = {OURS: model}, {OURS: best.loss}
    for name, baseline in baselines(**columns.by_kind).items():
        fitted[name] = baseline.fit(X, y)
        losses[name] = fold_loss(baseline, X, y)
    write_fold_losses(losses, len(y), stream)
    positive = model.classes_[1]
    metrics = {
        name: metrics_on(one, new_X, new_y, positive) for name, one in fitted.items()
    }
    write_metrics(metrics, f"On {len(new_y)} rows held out:", stream)
    save(model, files.model, X=X, metrics=metrics[OURS])
    _score_elsewhere(files, stream)
    _compare_scores(files, model.predict_proba(new_X)[:, 1], stream)
    _write_report(files, new_X, new_y, fitted, stream)
    stream.write(f"Saved:    {files.model}\n")
    write_paragraph(
        f"Held out: {listed_metrics(metrics[OURS])}", stream, indent=" " * 10
    )
    stream.write(f"Scored:   {files.scored}\n")


@dataclass(frozen=True)
class _DemoFiles:
    """Where the demonstration puts its files."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "breast_cancer.joblib"

    @property
    def train(self) -> Path:
        return self.folder / "demo" / "train.csv"

    @property
    def new(self) -> Path:
        return self.folder / "demo" / "new.csv"

    @property
    def report(self) -> Path:
        return self.folder / "demo" / "report.html"

    @property
    def scored(self) -> Path:
        return self.folder / "demo" / "scored.csv"


def _write_demo_tables(files: _DemoFiles) -> Any:
    """Write rows to train on and new rows; return the latter's labels, unwritten."""
    make_folder(files.train.parent)
    bunch = load_breast_cancer()
    y = bunch.target_names[bunch.target]
    X, new_X, y, new_y = train_test_split(
        bunch.data, y, test_size=HELD_OUT_FRACTION, stratify=y, random_state=0
    )
    columns = dict(zip(bunch.feature_names.tolist(), X.T, strict=True))
    _write_csv(files.train, columns | {DEMO_TARGET: y})
    _write_csv(files.new, dict(zip(columns, new_X.T, strict=True)))
    return new_y


def _write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns as a CSV file whose numbers read back bit for bit."""
    with replaced_file(path) as file:
        pa_csv.write_csv(pa.table(dict(columns)), file)


def _demo_candidates() -> tuple[Any, list[dict[str, Any]]]:
    """Return the pipeline of the demonstration and the parameters to try."""
    network = TorchBinaryClassifier(random_state=0)
    candidates = [{"clf__hidden_layer_sizes": width} for width in ("auto", (256,))]
    return Pipeline([("scale", StandardScaler()), ("clf", network)]), candidates


def _write_report(
    files: _DemoFiles, X: Any, y: Any, fitted: Mapping[str, Any], stream: Output
) -> None:
    """Write how the saved model does on the new rows, where that can be drawn."""
    rivals = {name: model for name, model in fitted.items() if name != OURS}
    try:
        report(load(files.model), X, y, files.report, rivals=rivals)
    except ImportError as error:
        stream.write(f"No report: {error}\n")
    else:
        stream.write(f"Report:   {files.report}\n")


def _score_elsewhere(files: _DemoFiles, stream: Output) -> None:
    """Score the new rows in another process."""
    arguments = ["score", str(files.model), str(files.new), "--out", str(files.scored)]
    arguments.append("--restart")  # what an earlier run has left
    stream.write(f"In another process: {PROGRAM} {' '.join(arguments)}\n")
    stream.flush()
    done = subprocess.run(
        [sys.executable, "-m", "torch_binary_classifier", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        msg = f"the other process must end with code 0, got {done.returncode}: "
        raise OutputError(msg + done.stderr.strip())
    stream.write(done.stdout)


def _compare_scores(files: _DemoFiles, expected: Any, stream: Output) -> None:
    """Report whether the other process's scores are this one's, bit for bit."""
    scores = read_table(files.scored).numbers("probability")
    same = bool((scores == expected).all())
    stream.write(f"Same scores as in this process, bit for bit: {same}\n")
