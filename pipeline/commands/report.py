"""What `train` and `demo` print; measures and decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pipeline import wording
from pipeline.assembly import held_out_metrics
from pipeline.commands.columns import notes
from pipeline.scoring import Chunk

__all__ = ["listed_metrics", "write_columns", "write_metrics", "write_search"]


def write_columns(
    table: Chunk, columns: Mapping[str, Sequence[str]], y: Any, stream: TextIO
) -> None:
    """Report what a table holds, and which of its columns need a second look."""
    classes = ", ".join(f"{n} of {v}" for v, n in sorted(Counter(y.tolist()).items()))
    stream.write(
        f"Read {table.n_rows} rows of {table.source} ({classes}): "
        f"{len(columns['numeric'])} numeric and {len(columns['categorical'])} "
        "categorical columns\n"
    )
    for name in columns["categorical"]:
        for note in notes(table, name):
            stream.write(f"Note: {note}\n")


def write_search(search: Any, stream: TextIO) -> None:
    """Report what a search tried and found."""
    results = search.cv_results_
    for parameters, loss in zip(
        results["params"], -results["mean_test_score"], strict=True
    ):
        stream.write(f"  log-loss {loss:.4f} with {wording.parameters(parameters)}\n")
    stream.write(f"Best: {wording.parameters(search.best_params_)}\n")


def write_metrics(
    fitted: Mapping[str, Any], X: Any, y: Any, stream: TextIO
) -> dict[str, dict[str, float]]:
    """Measure fitted classifiers on held-out rows; report them side by side."""
    metrics = {name: held_out_metrics(model, X, y) for name, model in fitted.items()}
    width = max(len(name) for name in metrics)
    titles = "".join(f"{title:>10}" for title in next(iter(metrics.values())))
    stream.write(f"On {len(y)} rows held out:\n  {'':<{width}}{titles}\n")
    for name, values in metrics.items():
        cells = "".join(f"{value:>10.4f}" for value in values.values())
        stream.write(f"  {name:<{width}}{cells}\n")
    return metrics


def listed_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as a phrase."""
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
