"""Share of a fit's time that its look back takes: ``fit_report_`` and what it needs.

    python benchmarks/diagnosis.py
    python benchmarks/diagnosis.py --repeats 9

Times the call within the fit, so both numbers are of the same run; the median of the
repeats, each with another seed, the cases in turn.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import defaultdict
from statistics import median
from typing import Any

from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier, classifier

PLAIN = {
    "hidden_layer_sizes": (100,),
    "early_stopping": False,
    "encoding": None,
    "n_members": 1,
    "input_factors": False,
    "weight_average": 0.0,
    "batch_size": 200,
    "learning_rate_init": 0.001,
    "max_iter": 50,
}
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "100 rows, plain": (100, PLAIN),
    "1,000 rows, plain": (1000, PLAIN),
    "10,000 rows, plain": (10_000, PLAIN),
    "100 rows, default": (100, {}),
    "1,000 rows, default": (1000, {}),
}


def timed_fit(n_rows: int, parameters: dict[str, Any], seed: int) -> list[float]:
    """Return the seconds of a fit and those of its look back."""
    X, y = make_classification(n_rows, 20, n_informative=8, random_state=0)
    model = TorchBinaryClassifier(**parameters, random_state=seed)
    report, seconds = classifier.report_of, []

    def timed(*given: Any) -> Any:
        start = time.perf_counter()
        found = report(*given)
        seconds.append(time.perf_counter() - start)
        return found

    classifier.report_of = timed
    X = StandardScaler().fit_transform(X)
    start = time.perf_counter()
    try:
        model.fit(X, y)
    finally:
        classifier.report_of = report
    return [time.perf_counter() - start, *seconds]


def main() -> None:
    """Print a line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    times: dict[str, list[list[float]]] = defaultdict(list)
    for seed in range(-1, repeats):  # the first one warms up
        for name, (n_rows, parameters) in CASES.items():
            found = timed_fit(n_rows, parameters, max(seed, 0))
            if seed >= 0:
                times[name].append(found)
    for name, found in times.items():
        whole = median(one[0] for one in found)
        look = median(one[1] for one in found)
        spent = f"{whole * 1e3:8.1f} ms, of it {look * 1e3:5.2f} ms"
        print(f"{name:20} {spent}, {look / whole:.1%}")


if __name__ == "__main__":
    main()
