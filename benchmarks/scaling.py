"""Cost of a fit as its sizes double, its memory, and rows scored per second.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --axes rows,members --parts fit
    python benchmarks/scaling.py --parts memory,predict

Every fit is timed in a fresh process, which also gives the peak memory that it adds
to what the process held with its imports, its data and a two-step fit done.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import contestants as arena
import numpy as np
from contestants import CASES, PEERS, TITLES, Case, Job

PARTS = ("fit", "memory", "predict")
QUICK_STEPS = 20
QUICK_POINTS = 2
QUICK_ROWS = 10_000

BASE = Case("base", 20_000, 20, (100,), 200, 5)

# Each axis starts where a fit's fixed cost is already small, and doubles.
AXIS_VALUES = {
    "rows": (50_000, 100_000, 200_000, 400_000, 800_000),
    "features": (10, 20, 40, 80, 160, 320),
    "width": (32, 64, 128, 256, 512, 1024),
    "depth": (1, 2, 4, 8, 16),
    "members": (1, 2, 4, 8, 16, 32),
    "epochs": (8, 16, 32, 64, 128),
}
DEPTH_WIDTH = 64

PREDICT_ROWS = (1, 100, 10_000, 1_000_000)
PREDICT_FEATURES = 20
PREDICT_HIDDEN = (100,)
PREDICT_CONTESTANTS = ("ours", "sklearn")
PREDICT_SECONDS = 0.2  # calls are repeated for at least so long in every round

FIT_HEADERS = (
    "axis",
    "value",
    "seconds",
    "us per member and step",
    "time / previous",
    "added peak, MB",
)
MEMORY_HEADERS = ("case", "contestant", "base, MB", "X and y, MB", "added peak, MB")
PREDICT_HEADERS = (
    "rows",
    "contestant",
    "threads",
    "us per call",
    "rows per second",
    "rows per second / MLPClassifier",
    "added peak, MB",
)

FIT_NOTE = (
    f"Base: {BASE.description}, one member; depth: that many layers of {DEPTH_WIDTH}. "
    "One axis changes at a time. Threads are the engine's own choice. Slope: least "
    "squares of log seconds against log value."
)
MEMORY_NOTE = (
    "base: resident with imports, X and y held and a two-step fit done. added peak: "
    "the most that the fit held beyond it."
)
PREDICT_NOTE = (
    f"predict_proba of a fitted ({PREDICT_HIDDEN[0]},) on float64 rows of "
    f"{PREDICT_FEATURES} features; both estimators with their own default precision. "
    "us per call: median of calls, each estimator at its best number of threads. added "
    "peak: beyond the input and the returned probabilities, in a fresh process."
)


# ------------------------------------------------------- one point, fresh process


def measure_fit(point: dict[str, Any]) -> dict[str, float]:
    """Return the seconds and the added peak memory of one fit, in this process."""
    case = Case(**point["case"])
    case = replace(case, hidden_layer_sizes=tuple(case.hidden_layer_sizes))
    X, y = arena.make_data(case)
    job = Job(case, X, y, seed=point["seed"], n_members=point["n_members"])
    arena.warm_up([point["contestant"]], job)
    arena.reset_peak_memory()
    base = arena.peak_memory_bytes()
    seconds, _ = arena.timed_fit(point["contestant"], job)
    return {
        "seconds": seconds,
        "base_bytes": base,
        "data_bytes": X.nbytes + y.nbytes,
        "added_peak_bytes": arena.peak_memory_bytes() - base,
    }


def fitted_scorer(contestant: str) -> Any:
    """Return an estimator fitted on a few float64 rows as MLPClassifier's defaults."""
    from sklearn.neural_network import MLPClassifier

    from torch_binary_classifier import TorchBinaryClassifier

    model = TorchBinaryClassifier(**arena.MLP)
    if contestant != "ours":
        model = MLPClassifier()
    model.set_params(hidden_layer_sizes=PREDICT_HIDDEN, max_iter=3, random_state=0)
    X, y = arena.make_data(Case("few", 2_000, PREDICT_FEATURES, (), 200, 1))
    with arena.quiet_convergence():
        return model.fit(X.astype(np.float64), y)


def predict_rows(n_rows: int) -> Any:
    """Return float64 rows to score."""
    return np.random.default_rng(1).standard_normal((n_rows, PREDICT_FEATURES))


def measure_predict(point: dict[str, Any]) -> dict[str, float]:
    """Return the peak memory that one predict_proba adds beyond its output."""
    model = fitted_scorer(point["contestant"])
    X = predict_rows(point["n_rows"])
    model.predict_proba(X[:1])
    arena.reset_peak_memory()
    base = arena.peak_memory_bytes()
    probabilities = model.predict_proba(X)
    added = arena.peak_memory_bytes() - base - probabilities.nbytes
    return {"added_peak_bytes": max(0, added)}


MEASURES = {"fit": measure_fit, "predict": measure_predict}


def in_fresh_process(kind: str, point: dict[str, Any]) -> dict[str, float]:
    """Measure one point in a process of its own."""
    command = [sys.executable, __file__, "--point", json.dumps([kind, point])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------------- fits


def point_of(axis: str, value: int) -> tuple[Case, int]:
    """Return the case and the number of members of one point of an axis."""
    changes: dict[str, dict[str, Any]] = {
        "rows": {"n_rows": value},
        "features": {"n_features": value},
        "width": {"hidden_layer_sizes": (value,)},
        "depth": {"hidden_layer_sizes": (DEPTH_WIDTH,) * value},
        "members": {},
        "epochs": {"n_epochs": value},
    }
    case = replace(BASE, name=f"{axis} {value}", **changes[axis])
    return case, value if axis == "members" else 1


def log_log_slope(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the least-squares slope of log seconds against log value."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def measure_axes(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time every point of every axis in every round."""
    rounds: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    cases = {}
    for axis in options.axes:
        values = AXIS_VALUES[axis]
        for value in values[:QUICK_POINTS] if options.quick else values:
            cases[axis, value] = point_of(axis, value)
    for repeat in range(options.repeats):
        for key, (case, n_members) in cases.items():
            point = {
                "contestant": "ours",
                "case": asdict(case),
                "n_members": n_members,
                "seed": repeat,
            }
            rounds[key].append(in_fresh_process("fit", point))
    records = []
    for (axis, value), (case, n_members) in cases.items():
        measured = rounds[axis, value]
        seconds = median(entry["seconds"] for entry in measured)
        records.append(
            {
                "axis": axis,
                "value": value,
                "seconds": seconds,
                "member_step_seconds": seconds / case.n_steps / n_members,
                "added_peak_bytes": max(
                    entry["added_peak_bytes"] for entry in measured
                ),
                "fit_seconds": [entry["seconds"] for entry in measured],
            }
        )
    return records


def axes_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the table of the axes and a line with the slope of each."""
    rows, slopes = [], []
    for axis in dict.fromkeys(record["axis"] for record in records):
        own = [record for record in records if record["axis"] == axis]
        for index, record in enumerate(own):
            ratio = record["seconds"] / own[index - 1]["seconds"] if index else None
            rows.append(
                (
                    axis,
                    f"{record['value']:,}",
                    f"{record['seconds']:.3f}",
                    f"{record['member_step_seconds'] * 1e6:.1f}",
                    "" if ratio is None else f"{ratio:.2f}",
                    arena.megabytes(record["added_peak_bytes"]),
                )
            )
        slope = log_log_slope(
            [record["value"] for record in own], [record["seconds"] for record in own]
        )
        slopes.append(f"- {axis}: slope {slope:.2f}")
    table = arena.markdown_table(FIT_HEADERS, rows)
    return "\n".join(
        ["## Fits as one size doubles", "", table, "", *slopes, "", FIT_NOTE]
    )


# -------------------------------------------------------------------- memory


def measure_memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the memory of every contestant in the case with the most rows."""
    case = CASES["e"].shortened(QUICK_STEPS) if options.quick else CASES["e"]
    records = []
    for contestant in ("ours", *options.peers):
        point = {
            "contestant": contestant,
            "case": asdict(case),
            "n_members": 1,
            "seed": 0,
        }
        measured = in_fresh_process("fit", point)
        records.append({"case": "e", "contestant": contestant, **measured})
    return records


def memory_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the table of the fits' memory."""
    rows = [
        (
            record["case"],
            TITLES[record["contestant"]],
            arena.megabytes(record["base_bytes"]),
            arena.megabytes(record["data_bytes"]),
            arena.megabytes(record["added_peak_bytes"]),
        )
        for record in records
    ]
    table = arena.markdown_table(MEMORY_HEADERS, rows)
    description = f"Case e: {CASES['e'].description}."
    return "\n\n".join(["## Memory of a fit", table, f"{description} {MEMORY_NOTE}"])


# ---------------------------------------------------------------- predictions


def call_seconds(model: Any, X: Any) -> float:
    """Return the median seconds of calls repeated for PREDICT_SECONDS."""
    model.predict_proba(X)
    times: list[float] = []
    while sum(times) < PREDICT_SECONDS:
        start = time.perf_counter()
        model.predict_proba(X)
        times.append(time.perf_counter() - start)
    return median(times)


def measure_predictions(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time predict_proba of both estimators, in turns, and take their memory."""
    models = {name: fitted_scorer(name) for name in PREDICT_CONTESTANTS}
    sizes = [n for n in PREDICT_ROWS if not options.quick or n <= QUICK_ROWS]
    records = []
    for n_rows in sizes:
        X = predict_rows(n_rows)
        entries = [(name, n) for name in models for n in options.threads]
        seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
        for repeat in range(options.repeats):
            for name, n_threads in arena.shuffled(entries, repeat):
                time.sleep(arena.SETTLE_SECONDS)
                with arena.thread_cap(n_threads):
                    seconds[name, n_threads].append(call_seconds(models[name], X))
        for name in models:
            taken, n_threads = min(
                (median(seconds[name, count]), count) for count in options.threads
            )
            memory = in_fresh_process("predict", {"contestant": name, "n_rows": n_rows})
            records.append(
                {
                    "n_rows": n_rows,
                    "contestant": name,
                    "threads": n_threads,
                    "call_seconds": taken,
                    "rows_per_second": n_rows / taken,
                    **memory,
                }
            )
    return records


def predict_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the table of the predictions."""
    sklearn_rates = {
        record["n_rows"]: record["rows_per_second"]
        for record in records
        if record["contestant"] == "sklearn"
    }
    rows = [
        (
            f"{record['n_rows']:,}",
            TITLES[record["contestant"]],
            str(record["threads"]),
            f"{record['call_seconds'] * 1e6:,.0f}",
            f"{record['rows_per_second']:,.0f}",
            f"{record['rows_per_second'] / sklearn_rates[record['n_rows']]:.2f}",
            arena.megabytes(record["added_peak_bytes"]),
        )
        for record in records
    ]
    table = arena.markdown_table(PREDICT_HEADERS, rows)
    return "\n\n".join(["## Rows scored per second", table, PREDICT_NOTE])


# ---------------------------------------------------------------------- command

REPORTS = {
    "fit": (measure_axes, axes_text),
    "memory": (measure_memory, memory_text),
    "predict": (measure_predictions, predict_text),
}


def measure_parts(options: argparse.Namespace) -> None:
    """Measure the parts asked for, print their tables and write the results."""
    facts = arena.machine_facts()
    figures: dict[str, Any] = {"machine": facts, "repeats": options.repeats}
    heading = f"{arena.facts_line(facts)}; medians of {options.repeats} repeats"
    texts = ["# How the cost grows", heading]
    for part in options.parts:
        measure, describe = REPORTS[part]
        figures[part] = measure(options)
        texts.append(describe(figures[part]))
        print(texts[-1] + "\n", flush=True)
        if options.json:  # after every part: an interrupted run keeps what it has
            arena.write_results(options.json, figures, "\n\n".join(texts))


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options, cut short where quick."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arena.add_common_options(parser, n_repeats=3)
    parser.add_argument(
        "--parts",
        type=arena.one_of(PARTS),
        default=list(PARTS),
        metavar="NAMES",
        help="comma list of fit, memory, predict (default all)",
    )
    parser.add_argument(
        "--axes",
        type=arena.one_of(tuple(AXIS_VALUES)),
        default=list(AXIS_VALUES),
        metavar="NAMES",
        help=f"comma list of {', '.join(AXIS_VALUES)} (default all)",
    )
    parser.add_argument(
        "--peers",
        type=arena.one_of(PEERS),
        default=list(PEERS),
        metavar="NAMES",
        help="comma list of peers in the memory table (default all)",
    )
    parser.add_argument(
        "--threads",
        type=arena.comma_integers,
        default=[1, 2],
        metavar="COUNTS",
        help="thread counts of which each prediction gets its best (default 1,2)",
    )
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    complete = options.parts == list(PARTS) and options.axes == list(AXIS_VALUES)
    if options.json is None and not options.quick and complete:
        options.json = arena.RESULTS / f"{Path(__file__).stem}.json"
    if options.quick:
        options.repeats = 1
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, or measure one point for the process that asks."""
    options = parse_options(arguments)
    if options.point:
        kind, point = json.loads(options.point)
        print(json.dumps(MEASURES[kind](point)))
    else:
        measure_parts(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
