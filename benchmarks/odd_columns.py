"""What one absurd value costs a bare default, and whether quantiles in front help.

    python benchmarks/odd_columns.py --data FOLDER

An absurd value: 999,999,999 as the age of one training row of `bank_churn`, which has
10,000 rows. Quantiles: numbers through a QuantileTransformer to a normal distribution
in place of the StandardScaler, on tables with skewed columns. FOLDER holds the tables,
as for accuracy.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import contestants as arena
from accuracy import CONTESTANTS, Contestant, one_hot, prepared
from accuracy_data import Split, Table, find_tables, split_table
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer

ABSURD = 999_999_999
CHURN, AGE = "bank_churn", "Age"
SKEWED = ("give_me_some_credit", "adult")
SKEWED_ROWS = 20_000

HEADERS = (
    "table",
    "contestant",
    "log-loss",
    "log-loss otherwise",
    "AUC",
    "AUC otherwise",
)
NOTE = (
    "Test log-loss and AUC, means over the splits. bank_churn otherwise: "
    f"{ABSURD:,} as the age of one training row. The others otherwise: numbers through "
    "a QuantileTransformer to a normal distribution, in place of a StandardScaler."
)


def with_quantiles(table: Table) -> Any:
    """Bring numbers to a normal distribution by their ranks."""
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        QuantileTransformer(output_distribution="normal", random_state=0),
    )
    return prepared(table, numbers, one_hot())


def with_absurd_age(split: Split) -> Split:
    """Return the split with one absurd age in the training rows."""
    X = split.train.X.copy()
    X[AGE] = X[AGE].astype(float)
    X.iloc[0, X.columns.get_loc(AGE)] = ABSURD
    return replace(split, train=replace(split.train, X=X))


def measure(contestant: Contestant, split: Split, seed: int) -> dict[str, float]:
    """Fit one contestant and return its figures on the test rows."""
    options = argparse.Namespace(threads=arena.available_cores(), param={})
    model = contestant.new(split.train, options, seed)
    pipeline = Pipeline([("prepare", contestant.prepare(split.train)), ("fit", model)])
    pipeline.fit(split.train.X, split.train.y)
    positive = pipeline.predict_proba(split.test.X)[:, 1]
    return {
        "log_loss": float(log_loss(split.test.y, positive)),
        "auc": float(roc_auc_score(split.test.y, positive)),
    }


def absurd_values(table: Table, n_splits: int) -> list[dict[str, Any]]:
    """Return the figures of ours and of trees with and without the absurd value."""
    records = []
    for number in range(n_splits):
        split = split_table(table, n_rows=len(table.y), split=number)
        for name in ("ours", "hgb"):
            pair = [split, with_absurd_age(split)]
            found = [measure(CONTESTANTS[name], one, number) for one in pair]
            records.append(record(CHURN, name, found))
    return records


def quantiles(name: str, table: Table, n_splits: int) -> list[dict[str, Any]]:
    """Return our figures with a StandardScaler and with quantiles in front."""
    ours = CONTESTANTS["ours"]
    records = []
    for number in range(n_splits):
        split = split_table(table, n_rows=SKEWED_ROWS, split=number)
        pair = [ours, replace(ours, prepare=with_quantiles)]
        found = [measure(one, split, number) for one in pair]
        records.append(record(name, "ours", found))
    return records


def record(table: str, model: str, found: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the figures of one split."""
    result = {
        "table": table,
        "model": model,
        "as_it_is": found[0],
        "otherwise": found[1],
    }
    print(result, flush=True)
    return result


def table_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the means over the splits as Markdown."""
    rows = []
    for table, model in dict.fromkeys((r["table"], r["model"]) for r in records):
        own = [r for r in records if (r["table"], r["model"]) == (table, model)]
        figures = [
            f"{mean(one[state][metric] for one in own):.4f}"
            for metric in ("log_loss", "auc")
            for state in ("as_it_is", "otherwise")
        ]
        rows.append([table, CONTESTANTS[model].title, *figures])
    return arena.markdown_table(HEADERS, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER")
    add("--splits", type=int, default=3)
    add("--json", type=Path, metavar="FILE", help="figures; the table beside it in .md")
    options = parser.parse_args(arguments)
    tables = find_tables(options.data)
    records = absurd_values(tables[CHURN](), options.splits)
    for name in SKEWED:
        records += quantiles(name, tables[name](), options.splits)
    facts = arena.machine_facts()
    text = "\n\n".join(
        ["# Odd columns", table_text(records), NOTE, arena.facts_line(facts)]
    )
    print("\n" + text)
    if options.json:
        figures = {"machine": facts, "records": records}
        arena.write_results(options.json, figures, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
