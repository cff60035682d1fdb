"""What a bare default fit costs as tables grow, beside boosted trees.

    python benchmarks/default_fits.py
    python benchmarks/default_fits.py --rows 1000,10000 --models ours,hgb

A generated table of 20 columns, standardised, whose classes are 16 clusters; every
20th label is drawn anew. Each fit has a fresh process, whose memory is counted from
what it held with imports and data, and is judged on rows of its own. One fit each:
log-loss and memory hardly vary, and the largest fits take minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contestants as arena
import numpy as np
from accuracy import CONTESTANTS, name_and_value
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss, roc_auc_score

ROWS = (1_000, 10_000, 100_000, 1_000_000)
MODELS = ("ours", "hgb", "lightgbm", "catboost")
N_TEST_ROWS = 50_000
N_FEATURES = 20

HEADERS = (
    "rows",
    "contestant",
    "fit s",
    "fit s / ours",
    "CPU s",
    "added peak, MB",
    "log-loss",
    "AUC",
    "rows scored a second",
)
NOTE = (
    f"{N_FEATURES} columns of float64, standardised; {N_TEST_ROWS:,} rows to judge by. "
    "CPU s: of all threads together. added peak: the most that fitting held beyond "
    "imports and data. rows scored a second: predict_proba of those rows, the best of "
    "three calls."
)


def make_table(n_rows: int) -> tuple[Any, Any]:
    """Return the rows to train on and those to judge by, one after the other."""
    X, y = make_classification(
        n_rows + N_TEST_ROWS,
        N_FEATURES,
        n_informative=10,
        n_clusters_per_class=8,
        flip_y=0.05,
        random_state=0,
    )
    X -= X[:n_rows].mean(axis=0)
    X /= X[:n_rows].std(axis=0)
    return X, y


def best_seconds(model: Any, X: Any) -> float:
    """Return the shortest of three calls of predict_proba."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        model.predict_proba(X)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure(point: dict[str, Any]) -> dict[str, float]:
    """Fit one model in this process."""
    n_rows = point["n_rows"]
    X, y = make_table(n_rows)
    options = argparse.Namespace(threads=point["threads"], param=point["param"])
    new = CONTESTANTS[point["model"]].new
    new(None, options, 0).fit(X[:200], y[:200])  # imports what it imports
    arena.reset_peak_memory()
    base = arena.peak_memory_bytes()
    start, busy = time.perf_counter(), time.process_time()
    model = new(None, options, 0).fit(X[:n_rows], y[:n_rows])
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    added = arena.peak_memory_bytes() - base
    X, y = np.ascontiguousarray(X[n_rows:]), y[n_rows:]
    positive = model.predict_proba(X)[:, 1]
    return {
        "seconds": seconds,
        "cpu_seconds": busy,
        "added_peak_bytes": added,
        "log_loss": float(log_loss(y, positive)),
        "auc": float(roc_auc_score(y, positive)),
        "rows_per_second": len(y) / best_seconds(model, X),
    }


def in_fresh_process(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one fit in a process of its own."""
    command = [sys.executable, __file__, "--point", json.dumps(point)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return point | json.loads(done.stdout.splitlines()[-1])


def cells(record: dict[str, Any], ours: dict[int, float]) -> list[str]:
    """Return a row of the table."""
    own = ours.get(record["n_rows"])
    return [
        f"{record['n_rows']:,}",
        CONTESTANTS[record["model"]].title,
        f"{record['seconds']:.2f}",
        f"{record['seconds'] / own:.2f}" if own else "-",
        f"{record['cpu_seconds']:.2f}",
        arena.megabytes(record["added_peak_bytes"]),
        f"{record['log_loss']:.4f}",
        f"{record['auc']:.4f}",
        f"{record['rows_per_second']:,.0f}",
    ]


def table_text(records: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    """Return the report."""
    ours = {r["n_rows"]: r["seconds"] for r in records if r["model"] == "ours"}
    rows = [cells(record, ours) for record in records]
    parts = [
        "# Default fits by table size",
        arena.markdown_table(HEADERS, rows),
        NOTE,
        arena.facts_line(facts),
    ]
    return "\n\n".join(parts)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=arena.comma_integers, default=ROWS, metavar="COUNTS")
    add("--models", type=arena.one_of(tuple(CONTESTANTS)), default=MODELS)
    add("--threads", type=int, default=arena.available_cores())
    add("--param", type=name_and_value, action="append", default=[])
    add("--json", type=Path, metavar="FILE", help="figures; the table beside it in .md")
    add("--point", type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_options(arguments)
    if options.point:
        print(json.dumps(measure(options.point)))
        return 0
    facts = arena.machine_facts()
    records = []
    for n_rows in options.rows:
        for model in options.models:
            point = {
                "n_rows": n_rows,
                "model": model,
                "threads": options.threads,
                "param": dict(options.param),
            }
            records.append(in_fresh_process(point))
            print(json.dumps(records[-1]), flush=True)
    text = table_text(records, facts)
    print("\n" + text)
    if options.json:
        figures = {"machine": facts, "records": records}
        arena.write_results(options.json, figures, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
