"""What a model file that verifies itself costs beside a plain one of joblib.

    python benchmarks/model_files.py
    python benchmarks/model_files.py --widths 64,256,1024 --repeats 20

The same fitted pipeline is written and read by joblib and by this package, in turns, on
the same disk. Ours brings the file to the disk (fsync), replaces the former one
atomically, digests it, and scores its 16 examples when it is read.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import contestants as arena
import joblib
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier, load, save

HEADERS = ("MB", "contestant", "save ms", "load ms", "more than joblib, ms")
OUTCOMES = ("refused or failed", "same scores", "other scores")
N_FEATURES = 20


def fitted(width: int) -> tuple[Any, Any]:
    """Return a fitted default pipeline of one width, and its training table."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        rng.normal(size=(2_000, N_FEATURES)),
        columns=[f"column {i}" for i in range(N_FEATURES)],
    )
    clf = TorchBinaryClassifier(hidden_layer_sizes=(width,), max_iter=2, random_state=0)
    with arena.quiet_convergence():
        return make_pipeline(StandardScaler(), clf).fit(X, X.iloc[:, 0] > 0), X


def milliseconds(work: Callable[[], Any]) -> float:
    """Return what one call takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def measure(folder: Path, width: int, n_repeats: int) -> list[dict[str, Any]]:
    """Return a record for each contestant."""
    model, X = fitted(width)
    described = folder / "described.joblib"
    save(model, described, X=X)
    kept = load(described)  # carries its schema and examples along
    plain, ours = folder / "plain.joblib", folder / "ours.joblib"
    work = {
        "joblib": (lambda: joblib.dump(model, plain), lambda: joblib.load(plain)),
        "save and load": (lambda: save(kept, ours), lambda: load(ours)),
    }
    times: dict[str, list[list[float]]] = {name: [[], []] for name in work}
    for _ in range(n_repeats):
        for name, calls in work.items():
            for kept_times, call in zip(times[name], calls, strict=True):
                kept_times.append(milliseconds(call))
    reference = sum(median(part) for part in times["joblib"])
    return [
        {
            "n_bytes": ours.stat().st_size,
            "contestant": name,
            "save_ms": median(parts[0]),
            "load_ms": median(parts[1]),
            "more_ms": sum(median(part) for part in parts) - reference,
        }
        for name, parts in times.items()
    ]


def outcome(read: Callable[[Path], Any], path: Path, X: Any, expected: Any) -> str:
    """Return what becomes of a damaged file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read(path).predict_proba(X)
    # A damaged pickle can raise any exception whatever.
    except Exception:
        return "refused or failed"
    return "same scores" if np.array_equal(found, expected) else "other scores"


def flip(n_flips: int, folder: Path) -> list[list[str]]:
    """Change single bits of a file; return the outcomes of both readers."""
    model, X = fitted(64)
    path, expected, rows = folder / "model.joblib", model.predict_proba(X), []
    for name, write, read in (
        ("joblib", joblib.dump, joblib.load),
        ("save and load", save, load),
    ):
        write(model, path)
        whole, draws, counts = path.read_bytes(), random.Random(0), Counter()
        for _ in range(n_flips):
            damaged = bytearray(whole)
            damaged[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
            path.write_bytes(damaged)
            counts[outcome(read, path, X, expected)] += 1
        rows.append([name, *(str(counts[outcome]) for outcome in OUTCOMES)])
    return rows


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--widths", type=arena.comma_integers, default=[64, 192, 512])
    add("--repeats", type=int, default=15)
    add("--flips", type=int, default=200, help="files with one changed bit each")
    add("--json", type=Path, metavar="FILE", help="figures; the table beside it in .md")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_options(arguments)
    facts = arena.machine_facts()
    with TemporaryDirectory() as folder:
        records = [
            record
            for width in options.widths
            for record in measure(Path(folder), width, options.repeats)
        ]
        flips = flip(options.flips, Path(folder))
    rows = [
        [
            arena.megabytes(record["n_bytes"]),
            record["contestant"],
            f"{record['save_ms']:.1f}",
            f"{record['load_ms']:.1f}",
            f"{record['more_ms']:.1f}",
        ]
        for record in records
    ]
    text = "\n\n".join(
        [
            "# Model files",
            arena.markdown_table(HEADERS, rows),
            f"Medians of {options.repeats} rounds in turns.",
            arena.markdown_table(("contestant", *OUTCOMES), flips),
            f"{options.flips} files with one changed bit each.",
            arena.facts_line(facts),
        ]
    )
    print(text)
    if options.json:
        arena.write_results(
            options.json, {"machine": facts, "records": records, "flips": flips}, text
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
