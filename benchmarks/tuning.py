"""What `train --grid` and `train --tune` bring over the default, and what they take.

    python benchmarks/tuning.py TABLE ... [--target NAME] [--seeds N]

Each table is trained on by the command itself, without a search and with either: three
quarters of the rows, another quarter held out for every seed. Prints the log-loss and
the AUC on the rows held out, and the seconds that the command took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import contestants as arena

SEARCHES = {"default": [], "--grid": ["--grid"], "--tune": ["--tune"]}
HEADERS = ("table", "search", "log-loss", "beside the default", "AUC", "seconds")
COMMAND = [sys.executable, "-m", "torch_binary_classifier"]


def measure(table: Path, target: str, options: Sequence[str]) -> dict[str, Any]:
    """Train by the command; return the figures of the file that it saves."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.joblib"
        command = [*COMMAND, "train", str(table), "--target", target, "--out", model]
        start = time.perf_counter()
        subprocess.run([*command, "--quiet", *options], check=True)
        seconds = time.perf_counter() - start
        told = subprocess.run(
            [*COMMAND, "inspect", model, "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
    metrics = json.loads(told.stdout)["manifest"]["metrics"]
    return {
        "log_loss": metrics["log-loss"],
        "auc": metrics["AUC"],
        "seconds": seconds,
    }


def table_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the means over the seeds as Markdown."""
    rows = []
    for table in dict.fromkeys(record["table"] for record in records):
        own = [record for record in records if record["table"] == table]
        base = mean_of(own, "default", "log_loss")
        for search in SEARCHES:
            loss = mean_of(own, search, "log_loss")
            rows.append(
                [
                    table,
                    search,
                    f"{loss:.4f}",
                    f"{loss / base - 1:+.1%}",
                    f"{mean_of(own, search, 'auc'):.4f}",
                    f"{mean_of(own, search, 'seconds'):.0f}",
                ]
            )
    return arena.markdown_table(HEADERS, rows)


def mean_of(records: Sequence[dict[str, Any]], search: str, figure: str) -> float:
    """Return a figure's mean over the seeds."""
    return mean(record[figure] for record in records if record["search"] == search)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("tables", type=Path, nargs="+", metavar="TABLE")
    add("--target", default="target", metavar="NAME")
    add("--seeds", type=int, default=1)
    add("--json", type=Path, metavar="FILE", help="figures; the table beside it in .md")
    options = parser.parse_args(arguments)
    records = []
    for seed in range(options.seeds):
        for table in options.tables:
            for search, chosen in SEARCHES.items():
                found = measure(table, options.target, [*chosen, "--seed", str(seed)])
                record = {"table": table.stem, "seed": seed, "search": search} | found
                print(record, flush=True)
                records.append(record)
    text = table_text(records)
    print(text)
    if options.json is not None:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
        options.json.with_suffix(".md").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
