"""Which scales of the input harm a network, and does the warning tell them?

    python benchmarks/input_scale.py --data FOLDER

Every table of FOLDER (as for accuracy.py), brought to many scales: as it is,
standardised, some columns times a power of ten or shifted by one, or within a range. An
input is harmed if the test log-loss is more than a tenth above that of the standardised
one, means over the splits. Half of the tables, by name, were there to choose the limits
of the warning; precision and recall are those on the other half. Each fit is a line of
a file in benchmarks/scratch; a run that is begun again goes on from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, nan
from pathlib import Path
from statistics import mean
from typing import Any
from unittest import mock

import contestants as arena
import numpy as np
from accuracy import one_hot
from accuracy_data import Split, find_tables, split_table
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator import scale_probe, unscaled_columns
from torch_binary_classifier.estimator.automatic import plan_of
from torch_binary_classifier.estimator.input_scale import InputScale, measure
from torch_binary_classifier.estimator.scale_probe import (
    Measured,
    doubtful,
    measured_harm,
)
from torch_binary_classifier.estimator.unscaled_columns import harmful
from torch_binary_classifier.interface.problem import WeightedRows
from torch_binary_classifier.training.probing import held_out_losses

SCRATCH = Path(__file__).parent / "scratch" / "input_scale.jsonl"
PROBES = SCRATCH.with_name("input_scale_probes.jsonl")
TRAIN_ROWS, TEST_ROWS = 1_000, 1_000
N_SPLITS = 3
HARM = 1.1  # of the standardised input's log-loss

# Every other name of the sorted ones, fixed before the first fit.
CHOSEN_ON = (
    "adult",
    "bank_marketing",
    "california",
    "covtype_20k",
    "default_credit_card",
    "german_credit",
    "heart_rate_gt91",
    "ibm_attrition",
    "magic_telescope",
    "phoneme",
    "sonar",
    "telco_churn",
)
HELD_BACK = (
    "bank_churn",
    "banknote",
    "cardio",
    "credit_approval",
    "electricity",
    "give_me_some_credit",
    "higgs_7500",
    "ionosphere",
    "mammography",
    "pima_diabetes",
    "spambase",
    "titanic",
)

Matrix = NDArray[np.float64]


# ------------------------------------------------------------------- scales


@dataclass(frozen=True)
class Scale:
    """Standardised numbers, some of them times a factor and then shifted.

    `columns` is "all", "half", "one" (drawn) or "best", the one that goes most with
    the target.
    """

    columns: str
    factor: float = 1.0
    shift: float = 0.0

    @property
    def name(self) -> str:
        """The scale in a table's cell."""
        parts = [self.columns]
        parts += [f"x {self.factor:g}"] if self.factor != 1 else []
        parts += [f"+ {self.shift:g}"] if self.shift else []
        return " ".join(parts)


BASE, RAW = "standardised", "raw"
RANGES = {"0 to 1": 1.0, "0 to 16": 16.0, "0 to 255": 255.0}
OTHERS = (BASE, RAW, "standardised one-hots", *RANGES)
SCALES = {
    scale.name: scale
    for scale in (
        *(Scale("all", 10.0**k) for k in (-4, -3, -2, -1, 1, 2, 3, 4)),
        *(Scale("half", 10.0**k) for k in (-3, -2, -1, 1, 2, 3)),
        *(Scale("best", 10.0**k) for k in (-4, -3, -2, -1, 1, 2, 3, 4, 6)),
        *(Scale("one", 10.0**k) for k in (-3, -2, -1, 1, 2, 3, 6)),
        *(Scale("all", shift=10.0**k) for k in (0, 1, 2, 3, 6)),
        *(Scale("half", shift=10.0**k) for k in (1, 2)),
        *(Scale("best", shift=10.0**k) for k in (0, 1, 2, 3)),
        *(Scale("one", shift=10.0**k) for k in (1, 2)),
        Scale("all", 0.1, 1.0),
        Scale("best", 0.1, 1.0),
        Scale("all", 10.0, 100.0),
    )
}
NAMES = (*OTHERS, *SCALES)
# Fits of the default take long.
FEWER = (BASE, RAW, "0 to 1", "all x 1000", "all x 0.001", "all + 1000", "half x 100")
FEWER += ("best x 10000", "all x 10000", "best x 1e+06", "best x 0.001", "best + 100")


@dataclass(frozen=True)
class Numbers:
    """The rows of a split as numbers: those of the table first, then one-hots."""

    train: Matrix
    test: Matrix
    n_numeric: int
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]


def numbers_of(split: Split) -> Numbers:
    """Return a split with gaps filled by medians, and categories as one-hots."""
    numeric = [part.X[split.train.numeric].to_numpy() for part in _parts(split)]
    fill = np.nan_to_num(np.nanmedian(numeric[0], axis=0))
    numeric = [np.where(np.isnan(values), fill, values) for values in numeric]
    found = numeric
    if split.train.categorical:
        encoder = one_hot().fit(split.train.X[split.train.categorical])
        coded = [
            encoder.transform(part.X[split.train.categorical]) for part in _parts(split)
        ]
        found = [np.hstack(pair) for pair in zip(numeric, coded, strict=True)]
    train, test = found
    n_numeric = numeric[0].shape[1]
    return Numbers(train, test, n_numeric, split.train.y, split.test.y)


def _parts(split: Split) -> tuple[Any, Any]:
    return split.train, split.test


def scaled(numbers: Numbers, name: str, seed: int) -> tuple[Matrix, Matrix]:
    """Return the training and the test rows on a scale."""
    if name == RAW:
        return numbers.train, numbers.test
    n_moved = numbers.n_numeric
    if name == "standardised one-hots":
        n_moved = numbers.train.shape[1]
    values = numbers.train[:, :n_moved]
    if name in RANGES:
        low = values.min(axis=0)
        high = np.where(np.ptp(values, axis=0) > 0, values.max(axis=0), low + 1)
        factor = RANGES[name] / (high - low)
        shift = -low * factor
    else:
        deviation = values.std(axis=0)
        factor = 1 / np.where(deviation > 0, deviation, 1.0)
        shift = -values.mean(axis=0) * factor
        if name in SCALES:
            factor, shift = _moved(numbers, SCALES[name], factor, shift, seed)
    return tuple(  # type: ignore[return-value]
        np.hstack([rows[:, :n_moved] * factor + shift, rows[:, n_moved:]])
        for rows in (numbers.train, numbers.test)
    )


def _moved(
    numbers: Numbers, scale: Scale, factor: Matrix, shift: Matrix, seed: int
) -> tuple[Matrix, Matrix]:
    """Return factors and shifts, some columns' changed."""
    n_numeric = numbers.n_numeric
    order = np.random.default_rng(seed).permutation(n_numeric)
    chosen = {
        "all": order,
        "half": order[: n_numeric // 2],
        "one": order[-1:],
        "best": [best_column(numbers)],
    }[scale.columns]
    factor, shift = factor.copy(), shift.copy()
    factor[chosen] *= scale.factor
    shift[chosen] = shift[chosen] * scale.factor + scale.shift
    return factor, shift


def best_column(numbers: Numbers) -> int:
    """Return the number that correlates most with the target, by its ranks."""
    ranks = numbers.train[:, : numbers.n_numeric].argsort(axis=0).argsort(axis=0)
    centred = ranks - ranks.mean(axis=0)
    target = numbers.y_train - numbers.y_train.mean()
    return int(np.argmax(np.abs(target @ centred)))


# --------------------------------------------------------------------- fits

# The plain one is one network of (100,) as MLPClassifier trains it.
MODELS: dict[str, dict[str, Any]] = {
    "plain": arena.MLP,
    "stopped": {},
    "default": {},
    "piecewise": {"encoding": "piecewise"},
    "columns": {"encoding": None},
}
MODELS["stopped"] = MODELS["plain"] | {"early_stopping": True}
SINGLE = ("plain", "stopped")  # one network, as MLPClassifier trains it
PLAIN = (*SINGLE, "columns")  # no bins


@dataclass(frozen=True)
class Job:
    """One fit."""

    table: str
    model: str
    scale: str
    split: int


def jobs(tables: Sequence[str], models: Sequence[str]) -> Iterator[Job]:
    """Yield the fits, the first split of all tables first."""
    for model in models:
        for split in range(n_splits(model)):
            for table in tables:
                for scale in NAMES if model in SINGLE else FEWER:
                    yield Job(table, model, scale, split)


def n_splits(model: str) -> int:
    """Return on how many splits a model is fitted."""
    if model == "plain":
        return 2 * N_SPLITS  # the second half measures the same once more
    return 1


def is_another(job: Job, n_numeric: int) -> bool:
    """Return whether a scale is another than that of all columns."""
    return n_numeric > 1 or job.scale not in SCALES or job.scale.startswith("all")


def fit(job: Job, numbers: Numbers) -> dict[str, Any]:
    """Return the test log-loss of one fit."""
    train, test = scaled(numbers, job.scale, sum(map(ord, job.table)))
    model = TorchBinaryClassifier(
        **MODELS[job.model], unscaled_input="ignore", random_state=job.split
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(train, numbers.y_train)
            loss = float(log_loss(numbers.y_test, model.predict_proba(test)))
        except ValueError as error:  # diverged
            return vars(job) | {"loss": None, "error": str(error)}
    seconds = round(time.perf_counter() - start, 3)
    return vars(job) | {"loss": loss, "n_iter": model.n_iter_, "seconds": seconds}


def draw(table: Any, split: int) -> Numbers:
    """Return the rows of a split as numbers."""
    found = split_table(table, n_rows=TRAIN_ROWS, split=split)
    n_test = min(TEST_ROWS, len(found.test.y))
    return numbers_of(Split(found.train, found.test.take(np.arange(n_test))))


def key_of(record: Any) -> tuple[Any, ...]:
    """Return which fit a record is of."""
    return tuple(record[name] for name in ("table", "model", "scale", "split"))


def read_lines(path: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the fits that there are."""
    if not path.exists():
        return {}
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {key_of(record): record for record in records}


def run(folder: Path, models: Sequence[str]) -> None:
    """Fit what has not been fitted yet."""
    tables = find_tables(folder)
    known = read_lines(SCRATCH)
    SCRATCH.parent.mkdir(exist_ok=True)
    at, numbers = None, None
    for job in jobs(CHOSEN_ON + HELD_BACK, models):
        if key_of(vars(job)) in known:
            continue
        if at != (job.table, job.split):
            at = (job.table, job.split)
            numbers = draw(tables[job.table](), job.split)
            print(job, flush=True)
        if not is_another(job, numbers.n_numeric):
            continue
        with SCRATCH.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fit(job, numbers)) + "\n")


# ------------------------------------------------------------------- probes


def read_probes(path: Path) -> dict[tuple[Any, ...], Measured | None]:
    """Return what was measured; None where a scale passes for a unit one."""
    return {
        key: record["losses"] and Measured(*record["losses"])
        for key, record in read_lines(path).items()
    }


def run_probes(folder: Path, models: Sequence[str]) -> None:
    """Measure what the package would, where it has not been done yet."""
    tables = find_tables(folder)
    known = read_lines(PROBES)
    for table in CHOSEN_ON + HELD_BACK:
        numbers = draw(tables[table](), 0)
        for model in models:
            for scale in NAMES if model in SINGLE else FEWER:
                job = Job(table, model, scale, 0)
                if key_of(vars(job)) in known or not is_another(job, numbers.n_numeric):
                    continue
                with PROBES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(probed(job, numbers)) + "\n")


def probed(job: Job, numbers: Numbers) -> dict[str, Any]:
    """Return what the package measures before a fit, and how long it takes."""
    train, _ = scaled(numbers, job.scale, sum(map(ord, job.table)))
    model = TorchBinaryClassifier(**MODELS[job.model])
    model.n_features_in_ = train.shape[1]
    targets = numbers.y_train.astype(np.float64)
    rows = WeightedRows(train, targets, np.ones(len(targets)))
    plan = plan_of(model, targets, max_iter=model.max_iter)
    scale, found = measure(train), None
    start = time.process_time()
    if doubtful(scale).any():
        watched = plan.early_stopping
        found = measured_harm(
            model, rows, scale, plan, held_out_losses, is_watched=watched
        )
    seconds = round(time.process_time() - start, 3)
    losses = found and [found.as_given, found.standardised]
    return vars(job) | {"losses": losses, "seconds": seconds}


# ------------------------------------------------------------------- limits


@dataclass(frozen=True)
class Input:
    """A table on a scale: what it costs one model, and where its columns lie."""

    table: str
    scale: str
    ratio: float  # of the log-loss to that of the standardised table
    measured: InputScale
    probed: Measured | None = None
    again: float = nan  # the ratio on other splits

    @property
    def probed_ratio(self) -> float:
        """What the package measures; 1 where a scale passes for a unit one."""
        if self.probed is None or not np.isfinite(self.probed.standardised):
            return 1.0
        return self.probed.as_given / self.probed.standardised


Limits = tuple[float, float, float]  # mean size, largest size, smallest spread
MEAN_SIZES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0)
SIZES = (300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)
SPREADS = (0.03, 0.1, 0.3, 1.0)
MEAN_DEVIATIONS = (300.0, 1_000.0, 3_000.0, 10_000.0, inf)
DEVIATIONS = (1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0, 300_000.0)
ALL_LIMITS = list(product(MEAN_SIZES, SIZES, SPREADS))
RATIOS = tuple(round(1 + 0.01 * step, 2) for step in range(1, 100))
FALSE_ALARMS = 0.02
FEWEST_FALSE = 2  # inputs that may be told in any case, where there are few
RATES = (0.02, 0.05, 0.1, 0.2)


def inputs(folder: Path, records: Mapping[Any, Any], model: str) -> list[Input]:
    """Return all inputs of a model, as the first split's training rows are."""
    tables, found, probes = find_tables(folder), [], read_probes(PROBES)
    for table in CHOSEN_ON + HELD_BACK:
        numbers = draw(tables[table](), 0)
        base = losses(records, table, model, BASE)
        for scale in NAMES if model in SINGLE else FEWER:
            own = losses(records, table, model, scale)
            if scale == BASE or not own:
                continue
            measured = measure(scaled(numbers, scale, sum(map(ord, table)))[0])
            again = nan
            if model == "plain":
                twice = [
                    losses(records, table, model, one, again=True)
                    for one in (scale, BASE)
                ]
                again = mean(twice[0]) / mean(twice[1])
            probed = probes.get((table, model, scale, 0))
            ratio = mean(own) / mean(base)
            found.append(Input(table, scale, ratio, measured, probed, again))
    return found


def losses(
    records: Mapping[Any, Any],
    table: str,
    model: str,
    scale: str,
    *,
    again: bool = False,
) -> list[float]:
    """Return the log-losses of the splits; those of a diverged fit are infinite."""
    first = N_SPLITS if again else 0
    keys = [(table, model, scale, first + split) for split in range(N_SPLITS)]
    found = [records[key]["loss"] for key in keys if key in records]
    return [inf if loss is None else loss for loss in found]


def plain_alarms(found: Sequence[Input], limits: Limits) -> NDArray[np.bool_]:
    """Return which inputs the rule for columns as they are tells, with some limits."""
    names = ("LARGEST_MEAN_SIZE", "LARGEST_SIZE", "SMALLEST_SPREAD")
    return alarms(found, dict(zip(names, limits, strict=True)))


def alarms(
    found: Sequence[Input], limits: Mapping[str, float], *, encoded: bool = False
) -> NDArray[np.bool_]:
    """Return which inputs the package tells, with some limits in place of its own."""
    with mock.patch.multiple(unscaled_columns, **limits):
        told = [harmful(one.measured, encoded=encoded).any() for one in found]
    return np.array(told)


def shares(
    found: Sequence[Input], told: NDArray[np.bool_], tables: Sequence[str]
) -> dict[str, float]:
    """Return how well alarms fit the inputs of some tables."""
    here = np.array([one.table in tables for one in found])
    ratio = np.array([one.ratio for one in found])
    harmed = ratio > HARM
    return {
        "harmed": int((harmed & here).sum()),
        "unharmed": int((~harmed & here).sum()),
        "precision": float(harmed[told & here].mean()) if told[here].any() else nan,
        "recall": float(told[harmed & here].mean()),
        "recall_of_half_more": float(told[(ratio > 1.5) & here].mean()),
        "recall_of_twice": float(told[(ratio > 2) & here].mean()),
        "false_alarms": float(told[~harmed & here].mean()),
    }


def choose(found: Sequence[Input], choices: Sequence[Any], told: Any) -> Any:
    """Return the limits of the highest recall with few false alarms, on one half."""
    best: tuple[float, float] = (-1.0, 0.0)
    chosen = choices[0]
    for limits in choices:
        own = shares(found, told(found, limits), CHOSEN_ON)
        score = (own["recall"], -own["false_alarms"])
        allowed = max(FALSE_ALARMS, FEWEST_FALSE / own["unharmed"])
        if own["false_alarms"] <= allowed and score > best:
            best, chosen = score, limits
    return chosen


def encoded_alarms(
    found: Sequence[Input], limits: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return which inputs the rule for bins tells, with some limits."""
    names = ("LARGEST_MEAN_DEVIATION", "LARGEST_DEVIATION")
    return alarms(found, dict(zip(names, limits, strict=True)), encoded=True)


def probe_alarms(found: Sequence[Input], ratio: float) -> NDArray[np.bool_]:
    """Return which inputs are told where a probe's losses have at least this ratio."""
    with mock.patch.object(scale_probe, "LARGEST_RATIO", ratio):
        told = [one.probed is not None and one.probed.harmed for one in found]
    return np.array(told)


def forest_scores(found: Sequence[Input]) -> NDArray[np.float64]:
    """Return how sure a forest is of harm that knows all moments of one half."""
    features = np.array([moments(one.measured) for one in found])
    harmed = np.array([one.ratio > HARM for one in found])
    chosen = np.array([one.table in CHOSEN_ON for one in found])
    forest = RandomForestClassifier(500, min_samples_leaf=3, random_state=0)
    forest.fit(features[chosen], harmed[chosen])
    scores: NDArray[np.float64] = forest.predict_proba(features)[:, 1]
    return scores


def above(
    found: Sequence[Input], scores: NDArray[np.float64], false_alarms: float
) -> dict[str, float]:
    """Return what the held-back inputs of the highest scores are.

    The limit is the one at which so many of the unharmed inputs held back are told,
    which no rule could know before.
    """
    unharmed = [one.table in HELD_BACK and one.ratio <= HARM for one in found]
    limit = np.quantile(scores[unharmed], 1 - false_alarms, method="higher")
    return shares(found, scores > limit, HELD_BACK)


def moments_recall(found: Sequence[Input], false_alarms: float) -> float:
    """Return the highest recall of all limits of moments, when held back."""
    own = [shares(found, told, HELD_BACK) for told in _all_plain_alarms(found)]
    allowed = [one["recall"] for one in own if one["false_alarms"] <= false_alarms]
    return max(allowed, default=nan)


def _all_plain_alarms(found: Sequence[Input]) -> list[NDArray[np.bool_]]:
    """Return what each of the limits to choose from tells."""
    return [plain_alarms(found, limits) for limits in ALL_LIMITS]


def curves(found: Sequence[Input]) -> list[list[str]]:
    """Return each rule's recall at several rates of false alarms, when held back."""
    scores = {
        "a forest on moments": forest_scores(found),
        "the probe": np.array([one.probed_ratio for one in found]),
        "three other splits": np.array([one.again for one in found]),
    }
    moments = [f"{moments_recall(found, rate):.3f}" for rate in RATES]
    rest = [
        [name, *(f"{above(found, own, rate)['recall']:.3f}" for rate in RATES)]
        for name, own in scores.items()
    ]
    return [["limits of moments", *moments], *rest]


def best_scales(found: Sequence[Input]) -> dict[str, float]:
    """Return what telling some scales, of whatever table, reaches when held back.

    Those that harm most of these tables, so many that 2 % of the unharmed are told: as
    well as who knew the answers could choose them.
    """
    here = [one for one in found if one.table in HELD_BACK]
    harmed: dict[str, list[bool]] = {}
    for one in here:
        harmed.setdefault(one.scale, []).append(one.ratio > HARM)
    n_unharmed = sum(one.ratio <= HARM for one in here)
    told, n_false = set(), 0
    for scale in sorted(harmed, key=lambda name: -mean(harmed[name])):
        n_false += len(harmed[scale]) - sum(harmed[scale])
        if n_false > FALSE_ALARMS * n_unharmed:
            break
        told.add(scale)
    return shares(found, np.array([one.scale in told for one in found]), HELD_BACK)


def moments(measured: InputScale) -> list[float]:
    """Return quantiles over the columns of all that the rule could know."""
    varies = measured.deviation > 0
    found = [len(varies), varies.sum(), np.log10(measured.rms.mean())]
    offset = np.abs(measured.mean) / np.where(varies, measured.deviation, 1.0)
    for values in (measured.rms, measured.deviation, offset + 1e-3):
        logs = np.log10(np.maximum(values[varies], 1e-30))
        found += list(np.quantile(logs, [0, 0.25, 0.5, 0.75, 1]))
    return found


# ------------------------------------------------------------------- report

HEADERS = (
    "model",
    "limits from",
    "tables",
    "harmed",
    "unharmed",
    "precision",
    "recall",
    "recall, x 1.5",
    "recall, x 2",
    "false alarms",
)
WORDS = {
    "plain": "one network, 200 epochs",
    "stopped": "one network, stopped early",
    "default": "default",
    "piecewise": "bins only",
    "columns": "default without bins",
}


def line(model: str, source: str, tables: str, own: Mapping[str, float]) -> list[str]:
    """Return a row of the table."""
    counts = [str(own["harmed"]), str(own["unharmed"])]
    rest = [f"{value:.3f}" for value in list(own.values())[2:]]
    return [WORDS[model], source, tables, *counts, *rest]


def evaluate(folder: Path) -> tuple[list[list[str]], str, dict[str, Any]]:
    """Return the table of all rules, the ratios as a table, and the figures."""
    records = read_lines(SCRATCH)
    found = {model: inputs(folder, records, model) for model in MODELS}
    limits = choose(found["plain"], ALL_LIMITS, plain_alarms)
    ratio = choose(found["plain"], RATIOS, probe_alarms)
    with_bins = choose(
        found["default"], list(product(MEAN_DEVIATIONS, DEVIATIONS)), encoded_alarms
    )
    rows = []
    figures = {"limits": limits, "with_bins": with_bins, "largest_ratio": ratio}
    figures["rows"] = []

    def add(model: str, source: str, tables: str, own: Mapping[str, float]) -> None:
        rows.append(line(model, source, tables, own))
        figures["rows"].append({"model": model, "rule": source, "tables": tables} | own)

    for model, own in found.items():
        told = encoded_alarms(own, with_bins)
        if model in PLAIN:
            told = probe_alarms(own, ratio)
        for tables, names in (("chosen on", CHOSEN_ON), ("held back", HELD_BACK)):
            add(model, "the rule", tables, shares(own, told, names))
        # Of models with bins: what a rule says that does not know of these.
        told = plain_alarms(own, limits)
        add(model, "moments", "held back", shares(own, told, HELD_BACK))
        if model in SINGLE:
            scores = forest_scores(own)
            add(model, "a forest", "held back", above(own, scores, FALSE_ALARMS))
            add(model, "the answers", "held back", best_scales(own))
        if model == "plain":
            told = np.array([one.again > HARM for one in own])
            add(model, "other splits", "held back", shares(own, told, HELD_BACK))
    figures["curves"] = curves(found["plain"])
    figures["ratios"] = {model: ratios(own) for model, own in found.items()}
    return rows, "\n\n".join(scale_table(m, own) for m, own in found.items()), figures


def ratios(found: Sequence[Input]) -> dict[str, dict[str, float]]:
    """Return every ratio by scale and table."""
    by_scale: dict[str, dict[str, float]] = {}
    for one in found:
        by_scale.setdefault(one.scale, {})[one.table] = round(one.ratio, 4)
    return by_scale


def scale_table(model: str, found: Sequence[Input]) -> str:
    """Return what each scale costs a model, over the tables."""
    rows = []
    for scale, own in ratios(found).items():
        values = np.array(list(own.values()))
        figures = [f"{np.quantile(values, q):.2f}" for q in (0, 0.25, 0.5, 0.75, 1)]
        rows.append([scale, f"{(values > HARM).sum()} of {len(values)}", *figures])
    headers = ("scale", "harmed", "lowest", "quarter", "median", "three quarters")
    table = arena.markdown_table((*headers, "highest"), rows)
    return f"## {WORDS[model]}\n\n{table}"


def report(folder: Path, path: Path) -> None:
    """Write and print the tables."""
    rows, scales, figures = evaluate(folder)
    mean_size, size, spread = figures["limits"]
    said = (
        f"Limits of the highest recall with at most {FALSE_ALARMS:.0%} false alarms on "
        f"the tables chosen on: a ratio of {figures['largest_ratio']:g}; of moments a "
        f"mean size of {mean_size:g}, one column's of {size:g}, a smallest spread of "
        f"{spread:g}; with bins a mean "
        "deviation of {:g}, one column's of {:g}.".format(*figures["with_bins"])
    )
    rates = [f"{rate:.0%} false alarms" for rate in RATES]
    curve = arena.markdown_table(("recall held back", *rates), figures["curves"])
    parts = ["# Scales of the input", NOTE, said, arena.markdown_table(HEADERS, rows)]
    parts += [CURVES, curve, scales, arena.facts_line(arena.machine_facts())]
    text = "\n\n".join(parts)
    print(text)
    arena.write_results(path, figures, text)


NOTE = f"""\
Harmed: a test log-loss more than {HARM - 1:.0%} above that of the standardised table,
means over {N_SPLITS} splits of the first model, one split of the others; at most
{TRAIN_ROWS:,} rows to train and as many to test. Recall, x 1.5 and x 2: of inputs whose
log-loss is so many times that. False alarms: share of the unharmed inputs that are
told. The rule: where the networks see the columns as they are, the package's short
trainings on the first split's rows; behind bins, limits of moments. A forest: 500
trees on quantiles over the columns of size, deviation and offset, trained on the
tables chosen on, its limit set to 2 % false alarms on those held back. The answers:
the scales told that harm most of the tables held back. Both say what bounds a rule on
means and deviations: the same scale harms one table and not another, because that
depends on what the columns say about the target. Other splits: the same
fits on {N_SPLITS} splits more, told where these have harm by the same definition. They
say what bounds any rule."""

CURVES = """\
One network, 200 epochs: recall on the tables held
back at limits that tell so many of their unharmed inputs, as nobody could choose them
before."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER")
    add("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add("--json", type=Path, metavar="FILE", help="figures; the tables beside it")
    options = parser.parse_args(arguments)
    run(options.data, options.models)
    run_probes(options.data, [one for one in options.models if one in PLAIN])
    if options.json:
        report(options.data, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
