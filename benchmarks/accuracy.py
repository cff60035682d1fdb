"""How well bare defaults predict: TorchBinaryClassifier, boosted trees, scikit-learn.

    python benchmarks/accuracy.py
    python benchmarks/accuracy.py --data FOLDER --rows 2000 --splits 2
    python benchmarks/accuracy.py --models ours --param n_members=8
    python benchmarks/accuracy.py --data FOLDER --missing 0.1

Every contestant is constructed without a hyperparameter and gets the same rows. Each
result is a line of a file in benchmarks/scratch; a run that is begun again goes on
where it was, and our own results are taken anew when the package's source has changed.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import contestants as arena
import numpy as np
import torch
from accuracy_data import Split, Table, find_tables, split_table, with_gaps
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

SCRATCH = Path(__file__).parent / "scratch" / "accuracy.jsonl"

RARE = 10  # rows below which categories are one: an indicator of fewer says nothing
CERTAIN = 1e-7  # probabilities stay this far from 0 and 1, so that one row has a price
LEAST_ERROR = 1e-4  # of 1 - AUC, where a ratio of two would otherwise be 0 / 0
REFERENCE = "catboost"

METRICS = {"log_loss": "log-loss", "auc_error": "AUC error", "error": "error rate"}
PREPARATIONS = (
    "Networks and the logistic regression: numbers with the median in gaps and "
    "standardised, ours with an indicator of the gaps beside them; categories one-hot, "
    f"those of fewer than {RARE} rows together. Trees: numbers as they are, gaps "
    "included; categories as ordinal numbers. 'native': CatBoost told which columns "
    "are categories. 'gaps': TorchBinaryClassifier behind a StandardScaler that lets "
    "the gaps pass. Seconds include the preparation."
)


# ---------------------------------------------------------------- preparations


def one_hot() -> OneHotEncoder:
    """Return what categories become for networks and linear models."""
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE, sparse_output=False
    )


def prepared(table: Table, numbers: Any, categories: Any) -> ColumnTransformer:
    """Return a preparation: the numbers first, then the categories."""
    parts = [
        ("numbers", numbers, table.numeric),
        ("categories", categories, table.categorical),
    ]
    return ColumnTransformer([part for part in parts if part[2]])


def filled(table: Table, *, indicator: bool) -> ColumnTransformer:
    """Fill gaps with the median and standardise; categories one-hot."""
    imputer = SimpleImputer(
        strategy="median", keep_empty_features=True, add_indicator=indicator
    )
    return prepared(table, make_pipeline(imputer, StandardScaler()), one_hot())


def with_their_gaps(table: Table) -> ColumnTransformer:
    """Standardise and leave the gaps; categories one-hot."""
    return prepared(table, StandardScaler(), one_hot())


def ordinal(table: Table) -> ColumnTransformer:
    """Leave the numbers as they are; categories as ordinal numbers."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return prepared(table, "passthrough", codes)


def as_they_are(table: Table) -> ColumnTransformer:
    """Leave every column as it is, as a table."""
    parts = prepared(table, "passthrough", "passthrough")
    return parts.set_output(transform="pandas")


# ----------------------------------------------------------------- contestants


def new_ours(_table: Table, options: argparse.Namespace, seed: int) -> Any:
    """Return TorchBinaryClassifier with nothing set but the seed."""
    from torch_binary_classifier import TorchBinaryClassifier

    return TorchBinaryClassifier(**{"random_state": seed} | options.param)


def new_lightgbm(_table: Table, options: argparse.Namespace, seed: int) -> Any:
    """Return LightGBM's default."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(random_state=seed, n_jobs=options.threads, verbose=-1)


def new_catboost(
    _table: Table, options: argparse.Namespace, seed: int, **more: Any
) -> Any:
    """Return CatBoost's default."""
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        random_seed=seed,
        thread_count=options.threads,
        verbose=0,
        allow_writing_files=False,
        **more,
    )


def new_native_catboost(table: Table, options: argparse.Namespace, seed: int) -> Any:
    """Return CatBoost's default, told which columns are categories."""
    columns = [f"categories__{name}" for name in table.categorical]
    return new_catboost(table, options, seed, cat_features=columns)


@dataclass(frozen=True)
class Contestant:
    """A title, the package it is from, how its rows are prepared and how it is made."""

    title: str
    package: str
    prepare: Callable[[Table], ColumnTransformer]
    new: Callable[[Table, argparse.Namespace, int], Any]


OURS = "torch-binary-classifier"
CONTESTANTS = {
    "ours": Contestant(
        "TorchBinaryClassifier",
        OURS,
        functools.partial(filled, indicator=True),
        new_ours,
    ),
    "ours_gaps": Contestant(
        "TorchBinaryClassifier, gaps", OURS, with_their_gaps, new_ours
    ),
    "catboost": Contestant("CatBoost", "catboost", ordinal, new_catboost),
    "catboost_native": Contestant(
        "CatBoost, native", "catboost", as_they_are, new_native_catboost
    ),
    "lightgbm": Contestant("LightGBM", "lightgbm", ordinal, new_lightgbm),
    "hgb": Contestant(
        "HistGradientBoosting",
        "scikit-learn",
        ordinal,
        lambda _table, _options, seed: HistGradientBoostingClassifier(
            random_state=seed
        ),
    ),
    "mlp": Contestant(
        "MLPClassifier",
        "scikit-learn",
        functools.partial(filled, indicator=False),
        lambda _table, _options, seed: MLPClassifier(random_state=seed),
    ),
    "logistic": Contestant(
        "LogisticRegression",
        "scikit-learn",
        functools.partial(filled, indicator=False),
        lambda _table, _options, _seed: LogisticRegression(max_iter=1000),
    ),
}


def source_version(package: str) -> str:
    """Return a package's version; for ours, with a digest of its source."""
    version = importlib.metadata.version(package)
    if package != OURS:
        return version
    spec = importlib.util.find_spec("torch_binary_classifier")
    folder = Path(spec.submodule_search_locations[0])
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{version}+{digest.hexdigest()[:12]}"


def known_versions(models: Sequence[str]) -> dict[str, str]:
    """Return the versions of the models whose package is here, and say who is not."""
    versions = {}
    for model in models:
        package = CONTESTANTS[model].package
        try:
            versions[model] = source_version(package)
        except importlib.metadata.PackageNotFoundError:
            print(f"{CONTESTANTS[model].title} is skipped: {package} is not installed.")
    return versions


# --------------------------------------------------------------------- one fit


def measure(model: str, split: Split, seed: int, options: argparse.Namespace) -> Any:
    """Fit one contestant on one split and return its figures on the test rows."""
    contestant = CONTESTANTS[model]
    train, test = split.train, split.test
    pipeline = Pipeline(
        [
            ("prepare", contestant.prepare(train)),
            ("model", contestant.new(train, options, seed)),
        ]
    )
    with threadpool_limits(limits=options.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        start = time.perf_counter()
        pipeline.fit(train.X, train.y)
        fitted = time.perf_counter()
        probability = pipeline.predict_proba(test.X)[:, 1].astype(float)
        scored = time.perf_counter()
    return {
        "n_train": len(train.y),
        "n_test": len(test.y),
        "log_loss": log_loss(test.y, np.clip(probability, CERTAIN, 1 - CERTAIN)),
        "auc_error": 1 - roc_auc_score(test.y, probability),
        "error": 1 - accuracy_score(test.y, probability > 0.5),
        "fit_seconds": fitted - start,
        "score_seconds": scored - fitted,
    }


def job_key(record: Mapping[str, Any]) -> str:
    """Return what tells one result from another."""
    names = (
        "data", "set", "split", "model", "rows", "missing", "missing_kind", "threads",
        "param", "version",
    )  # fmt: skip
    return json.dumps([record[name] for name in names], sort_keys=True)


def read_lines(path: Path) -> dict[str, dict[str, Any]]:
    """Return the results of earlier runs by their keys."""
    if not path.exists():
        return {}
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {job_key(record): record for record in records}


def run_jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the results of all jobs; those not in the file yet are run and added."""
    tables = find_tables(options.data)
    versions = known_versions(options.models)
    known = read_lines(options.lines)
    options.lines.parent.mkdir(parents=True, exist_ok=True)
    results = []
    for name in options.sets:
        table = functools.cache(tables[name])
        for number in range(options.splits):
            split = functools.cache(lambda: draw(table(), number, options))  # noqa: B023
            for model, version in versions.items():
                job = describe_job(options, name, number, model, version)
                record = known.get(job_key(job))
                if record is None:
                    record = job | measure(model, split(), number, options)
                    with options.lines.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(record) + "\n")
                    print(progress(record), flush=True)
                results.append(record)
    return results


def draw(table: Table, number: int, options: argparse.Namespace) -> Split:
    """Return a split of a table, with gaps where they are asked for."""
    if options.missing:
        table = with_gaps(
            table, options.missing, kind=options.missing_kind, seed=number
        )
    return split_table(table, n_rows=options.rows, split=number)


def describe_job(
    options: argparse.Namespace, name: str, number: int, model: str, version: str
) -> dict[str, Any]:
    """Return what a result is a result of."""
    return {
        "data": options.data.name if options.data else "scikit-learn",
        "set": name,
        "split": number,
        "model": model,
        "rows": options.rows,
        "missing": options.missing,
        "missing_kind": options.missing_kind if options.missing else None,
        "threads": options.threads,
        "param": options.param if model.startswith("ours") else {},
        "version": version,
    }


def progress(record: Mapping[str, Any]) -> str:
    """Return a result as a line for the terminal."""
    return (
        f"{record['set']:>22} {record['split']} {record['model']:<16}"
        f"log-loss {record['log_loss']:.4f}  AUC error {record['auc_error']:.4f}  "
        f"fit {record['fit_seconds']:.2f} s"
    )


# --------------------------------------------------------------------- summary


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(mean(map(math.log, values)))


def summarise(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per contestant: ratios to the reference, mean ranks and seconds."""
    models = list(dict.fromkeys(result["model"] for result in results))
    by_job = {(r["set"], r["split"], r["model"]): r for r in results}
    jobs = list(dict.fromkeys((r["set"], r["split"]) for r in results))
    base = REFERENCE if REFERENCE in models else models[0]
    rows = []
    for model in models:
        own = [by_job[(*job, model)] for job in jobs]
        row: dict[str, Any] = {"model": model, "reference": base}
        for metric in METRICS:
            ratios = {
                job: max(by_job[(*job, model)][metric], LEAST_ERROR)
                / max(by_job[(*job, base)][metric], LEAST_ERROR)
                for job in jobs
            }
            row[f"{metric}_ratio"] = geometric_mean(list(ratios.values()))
            row[f"{metric}_rank"] = mean(
                rank(
                    by_job[(*job, model)][metric],
                    [by_job[(*job, other)][metric] for other in models],
                )
                for job in jobs
            )
            if metric == "log_loss":
                row["worst_set"], row["worst_ratio"] = worst_set(ratios)
        for clock in ("fit_seconds", "score_seconds"):
            row[clock] = geometric_mean([record[clock] for record in own])
        rows.append(row)
    return rows


def rank(value: float, others: Sequence[float]) -> float:
    """Return 1 for the best of a job; equals share the mean of their ranks."""
    better = sum(other < value for other in others)
    equal = sum(other == value for other in others)
    return better + (equal + 1) / 2


def worst_set(ratios: Mapping[tuple[str, int], float]) -> tuple[str, float]:
    """Return the set with the highest ratio, of its splits' geometric mean."""
    names = dict.fromkeys(name for name, _ in ratios)
    means = {
        name: geometric_mean([ratios[job] for job in ratios if job[0] == name])
        for name in names
    }
    worst = max(means, key=means.__getitem__)
    return worst, means[worst]


def summary_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the summary as Markdown."""
    title = CONTESTANTS[rows[0]["reference"]].title
    headers = ["contestant"]
    headers += [f"{text} / {title}" for text in METRICS.values()]
    headers += [f"rank by {text}" for text in METRICS.values()]
    headers += ["worst set by log-loss", "fit s", "score s"]
    cells = [
        [
            CONTESTANTS[row["model"]].title,
            *(f"{row[f'{metric}_ratio']:.3f}" for metric in METRICS),
            *(f"{row[f'{metric}_rank']:.2f}" for metric in METRICS),
            f"{row['worst_set']} {row['worst_ratio']:.3f}",
            f"{row['fit_seconds']:.3f}",
            f"{row['score_seconds']:.4f}",
        ]
        for row in rows
    ]
    return arena.markdown_table(headers, cells)


def set_table(results: Sequence[dict[str, Any]]) -> str:
    """Return the log-loss of every set, its splits' mean, as Markdown."""
    models = list(dict.fromkeys(result["model"] for result in results))
    names = list(dict.fromkeys(result["set"] for result in results))

    def mean_loss(name: str, model: str) -> str:
        own = [
            r["log_loss"] for r in results if (r["set"], r["model"]) == (name, model)
        ]
        return f"{mean(own):.4f}"

    headers = ["log-loss", *(CONTESTANTS[model].title for model in models)]
    rows = [[name, *(mean_loss(name, model) for model in models)] for name in names]
    return arena.markdown_table(headers, rows)


def describe_run(options: argparse.Namespace) -> str:
    """Return a sentence about the rows."""
    text = (
        f"At most {options.rows:,} training rows (or 70 % of a set), {options.splits} "
        f"splits, {options.threads} threads; means over {len(options.sets)} sets."
    )
    if options.missing:
        text += f" {options.missing:.0%} of the cells missing ({options.missing_kind})."
    if options.param:
        text += f" TorchBinaryClassifier with {options.param}."
    return text


def report(results: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print the tables and write them with the figures."""
    summary = summarise(results)
    facts = arena.machine_facts()
    parts = [
        "# Accuracy of defaults",
        describe_run(options),
        summary_table(summary),
        set_table(results),
        PREPARATIONS,
        arena.facts_line(facts),
    ]
    text = "\n\n".join(parts)
    print("\n" + text)
    if options.out:
        figures = {"machine": facts, "summary": summary, "results": results}
        arena.write_results(options.out, figures, text)


# --------------------------------------------------------------------- options


def name_and_value(text: str) -> tuple[str, Any]:
    """Parse `name=value`; a value that is no Python literal is a text."""
    name, sign, value = text.partition("=")
    if not sign:
        message = f"a parameter must be written name=value, got {text!r}."
        raise argparse.ArgumentTypeError(message)
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; sets and models are looked up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="tables and their META.json")
    add("--rows", type=int, default=2000, help="most training rows (default 2000)")
    add("--splits", type=int, default=2, help="splits of each set (default 2)")
    add("--sets", type=arena.comma_list, metavar="NAMES", help="default: all")
    add(
        "--models",
        type=arena.one_of(tuple(CONTESTANTS)),
        metavar="NAMES",
        help="default: all but catboost_native and, without --missing, ours_gaps",
    )
    add("--threads", type=int, default=arena.available_cores())
    add(
        "--param",
        type=name_and_value,
        action="append",
        default=[],
        metavar="NAME=VALUE",
    )
    add("--missing", type=float, default=0.0, metavar="FRACTION", help="make gaps")
    add("--missing-kind", choices=("random", "high"), default="random")
    add("--lines", type=Path, default=SCRATCH, metavar="FILE", help="the JSON lines")
    add("--out", type=Path, metavar="FILE", help="figures; the tables beside it in .md")
    options = parser.parse_args(arguments)
    options.param = dict(options.param)
    known = find_tables(options.data)
    options.sets = arena.one_of(tuple(known))(",".join(options.sets or known))
    if options.models is None:
        left_out = {"catboost_native", "ours" if options.missing else "ours_gaps"}
        options.models = [model for model in CONTESTANTS if model not in left_out]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_options(arguments)
    torch.set_num_threads(options.threads)
    report(run_jobs(options), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
