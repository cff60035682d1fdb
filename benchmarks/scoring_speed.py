"""Scoring speed of the default model beside MLPClassifier and CatBoost.

    python benchmarks/scoring_speed.py
    python benchmarks/scoring_speed.py --training-rows 2000 --rows 100000

What the default model is follows from its training rows; how well it is trained does
not change how long it scores, so that it is fitted for one epoch.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import contestants as arena
import numpy as np
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier

N_FEATURES = 20
FEW_ROWS = (1, 100)
FEW_REPEATS = 50  # of the short calls in one round
HEADERS = ("model", "training rows", "rows per second", "100 rows, ms", "1 row, ms")

NOTE = (
    "rows per second: of predict_proba on all rows in one call, median of the rounds; "
    "100 rows and 1 row: median of calls."
)


def fitted_models(n_rows: int) -> dict[str, Any]:
    """Return each contestant fitted briefly to so many rows."""
    X, y = make_classification(
        n_rows, N_FEATURES, n_informative=N_FEATURES // 2, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    models = {
        "TorchBinaryClassifier()": TorchBinaryClassifier(max_iter=1, random_state=0),
        "MLPClassifier()": MLPClassifier(max_iter=1, random_state=0),
    }
    try:
        from catboost import CatBoostClassifier
    except ImportError:
        print("catboost is not installed: pip install '.[bench]'", file=sys.stderr)
    else:
        models["CatBoostClassifier()"] = CatBoostClassifier(
            verbose=False, allow_writing_files=False, thread_count=2
        )
    with arena.quiet_convergence():
        return {name: model.fit(X, y) for name, model in models.items()}


def seconds_of(score: Callable[[Any], Any], rows: Any) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    score(rows)
    return time.perf_counter() - start


def time_models(n_training_rows: int, options: argparse.Namespace) -> list[Any]:
    """Time every model in turns, after a first call of each."""
    models = fitted_models(n_training_rows)
    rows = np.random.default_rng(1).normal(size=(options.rows, N_FEATURES))
    many: dict[str, list[float]] = {name: [] for name in models}
    few: dict[tuple[str, int], list[float]] = {}
    with arena.thread_cap(options.threads):
        for repeat in range(options.repeats):
            for name in arena.shuffled(list(models), repeat):
                score = models[name].predict_proba
                score(rows[: FEW_ROWS[-1]])
                many[name].append(seconds_of(score, rows))
                for n_rows in FEW_ROWS:
                    taken = [
                        seconds_of(score, rows[:n_rows]) for _ in range(FEW_REPEATS)
                    ]
                    few.setdefault((name, n_rows), []).append(median(taken))
    return [
        {
            "model": name,
            "training_rows": n_training_rows,
            "rows_per_second": options.rows / median(many[name]),
            "few_rows_seconds": {n: median(few[name, n]) for n in FEW_ROWS},
            "call_seconds": many[name],
        }
        for name in models
    ]


def table(records: Sequence[dict[str, Any]]) -> str:
    """Return the records as a Markdown table."""
    lines = [
        (
            record["model"],
            f"{record['training_rows']:,}",
            f"{record['rows_per_second']:,.0f}",
            *(f"{record['few_rows_seconds'][n] * 1e3:.2f}" for n in (100, 1)),
        )
        for record in records
    ]
    return arena.markdown_table(HEADERS, lines)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options, cut short where quick."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arena.add_common_options(parser, n_repeats=5)
    parser.add_argument(
        "--training-rows",
        type=arena.comma_integers,
        default=[2_000, 1_000_000],
        metavar="COUNTS",
        help="rows of the fits (default 2000,1000000)",
    )
    parser.add_argument(
        "--rows",
        type=int,
        default=1_000_000,
        metavar="N",
        help="rows scored in one call (default 1000000)",
    )
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="of BLAS (default 2)"
    )
    options = parser.parse_args(arguments)
    if options.json is None and not options.quick:
        options.json = arena.RESULTS / "scoring_speed.json"
    if options.quick:
        options.repeats, options.rows = 1, 10_000
        options.training_rows = options.training_rows[:1]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_options(arguments)
    facts = arena.machine_facts()
    records: list[dict[str, Any]] = []
    for n_training_rows in options.training_rows:
        records += time_models(n_training_rows, options)
    parts = [
        "# Speed of scoring",
        f"{arena.facts_line(facts)}; {options.threads} threads, "
        f"{options.rows:,} rows of {N_FEATURES} columns, {options.repeats} rounds",
        table(records),
        NOTE,
    ]
    text = "\n\n".join(parts)
    print(text)
    if options.json:
        figures = {"machine": facts, "rows": options.rows, "models": records}
        arena.write_results(options.json, figures, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
