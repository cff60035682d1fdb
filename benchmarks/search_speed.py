"""Time of whole grid searches: all fits together, beside fits one after the other.

    python benchmarks/search_speed.py
    python benchmarks/search_speed.py --cases cancer --peers sklearn
    python benchmarks/search_speed.py --cases pima --pima diabetes.csv

Every contestant is the last step of a Pipeline behind a StandardScaler, searched by
scikit-learn's GridSearchCV over the same candidates in the same folds, without early
stopping. Timed from the data to the scores, scaling and scoring included.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import contestants as arena
import numpy as np
import torch
from contestants import BETAS, EPSILON, Case
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

N_FOLDS = 5
PIMA_SHAPE = (768, 8)

HEADERS = (
    "case",
    "contestant",
    "n_jobs",
    "seconds",
    "time / ours, batched",
    "best score",
)

NOTES = (
    "seconds: median of whole searches without a refit, at the n_jobs that is best for "
    "the contestant; a batched search has none, its processes are one per core. best "
    "score: mean accuracy over the folds of the best candidate, mean over the seeds.",
    "no network: the same search over DummyClassifier, what scikit-learn itself takes "
    "to clone, scale and score.",
    "Starting weights: each contestant's own (skorch: PyTorch's default), so after "
    "few epochs the scores differ for that reason too.",
)

Candidate = dict[str, Any]


@dataclass(frozen=True)
class SearchCase:
    """One search: the networks' common settings, and what differs between them.

    Candidates have the keys hidden_layer_sizes, learning_rate_init, alpha and dropout;
    what a candidate lacks is as in `base`.
    """

    base: Case
    candidates: tuple[Candidate, ...]

    @property
    def description(self) -> str:
        """The case in a table's cell."""
        return f"{len(self.candidates)} x {N_FOLDS} fits of {self.base.description}"

    def quick(self) -> SearchCase:
        """Return the case with two candidates and one epoch."""
        return SearchCase(replace(self.base, n_epochs=1), self.candidates[:2])


def grid(n_alphas: int, n_rates: int) -> tuple[Candidate, ...]:
    """Return all pairs of some strengths of the penalty and some learning rates."""
    return tuple(
        {"alpha": float(alpha), "learning_rate_init": float(rate)}
        for alpha in np.geomspace(1e-5, 1e-2, n_alphas)
        for rate in np.geomspace(5e-4, 8e-3, n_rates)
    )


def draws(n_candidates: int) -> tuple[Candidate, ...]:
    """Return random draws over width, depth, learning rate, penalty and dropout."""
    rng = np.random.default_rng(0)
    return tuple(
        {
            "hidden_layer_sizes": (int(rng.integers(16, 129)),) * rng.integers(1, 4),
            "learning_rate_init": float(10 ** rng.uniform(-3.5, -2)),
            "alpha": float(10 ** rng.uniform(-6, -2)),
            "dropout": float(rng.choice([0.0, 0.1, 0.3])),
        }
        for _ in range(n_candidates)
    )


CASES = {
    "cancer": SearchCase(Case("cancer", 569, 30, (100,), 64, 50), grid(4, 4)),
    "rows": SearchCase(Case("rows", 10_000, 20, (100,), 200, 5), grid(4, 4)),
    "pima": SearchCase(Case("pima", *PIMA_SHAPE, (32,), 64, 50), grid(8, 8)),
    "wide": SearchCase(Case("wide", 20_000, 20, (256, 128), 256, 3), grid(4, 3)),
    "draws": SearchCase(Case("draws", 569, 30, (100,), 64, 50), draws(60)),
}


def load_data(
    case: SearchCase, pima: Path | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a case's table: real where scikit-learn has it, else given or drawn."""
    if case.base.name in {"cancer", "draws"}:
        X, y = load_breast_cancer(return_X_y=True)
        return X.astype(np.float32), y.astype(np.int64)
    if case.base.name == "pima" and pima is not None:
        table = np.loadtxt(pima, delimiter=",", skiprows=1)
        return table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64)
    return arena.make_data(case.base)


# ----------------------------------------------------------------- contestants


class Perceptron(nn.Module):
    """skorch's network: Linear, ReLU and dropout for every hidden layer."""

    def __init__(
        self, n_features: int, hidden_layer_sizes: tuple[int, ...], dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((n_features, *hidden_layer_sizes)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(
            *layers, nn.Linear((n_features, *hidden_layer_sizes)[-1], 1)
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.layers(X).squeeze(1)


def build_ours(case: Case, seed: int) -> Any:
    from torch_binary_classifier import TorchBinaryClassifier

    return TorchBinaryClassifier(
        **arena.MLP | arena.mlp_parameters(case, seed),
        dtype="float32",
        unscaled_input="ignore",
    )


def build_sklearn(case: Case, seed: int) -> Any:
    return MLPClassifier(**arena.mlp_parameters(case, seed))


def build_skorch(case: Case, seed: int) -> Any:
    from skorch import NeuralNetBinaryClassifier

    torch.manual_seed(seed)
    return NeuralNetBinaryClassifier(
        Perceptron,
        module__n_features=case.n_features,
        module__hidden_layer_sizes=case.hidden_layer_sizes,
        module__dropout=0.0,
        max_epochs=case.n_epochs,
        batch_size=case.batch_size,
        optimizer=torch.optim.Adam,
        optimizer__lr=arena.LEARNING_RATE,
        optimizer__betas=BETAS,
        optimizer__eps=EPSILON,
        optimizer__weight_decay=0.0,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=arena.SCORING_ROWS,
        train_split=None,
        callbacks="disable",
        verbose=0,
    )


def build_dummy(case: Case, seed: int) -> Any:  # noqa: ARG001
    return DummyClassifier()


SKLEARN_NAMES = {  # no dropout
    name: name for name in ("hidden_layer_sizes", "learning_rate_init", "alpha")
}
OUR_NAMES = SKLEARN_NAMES | {"dropout": "dropout"}
SKORCH_NAMES = {
    "hidden_layer_sizes": "module__hidden_layer_sizes",
    "learning_rate_init": "optimizer__lr",
    "alpha": "optimizer__weight_decay",
    "dropout": "module__dropout",
}


@dataclass(frozen=True)
class Contestant:
    """A way to run the search: an estimator, its parameters' names, the context."""

    title: str
    build: Callable[[Case, int], Any]
    names: dict[str, str]
    batch_options: dict[str, Any] | None = None  # of batched_fits; None: without it

    def n_jobs(self, counts: Sequence[int]) -> Sequence[int | None]:
        """Return the counts to try."""
        return counts if self.batch_options is None else (None,)

    def context(self) -> contextlib.AbstractContextManager[None]:
        """Return what the search runs in."""
        from torch_binary_classifier import batched_fits

        if self.batch_options is None:
            return contextlib.nullcontext()
        return batched_fits(**self.batch_options)


CONTESTANTS = {
    "batched": Contestant("ours, batched", build_ours, OUR_NAMES, {}),
    "processes": Contestant(
        "ours, batched in processes", build_ours, OUR_NAMES, {"backend": "loky"}
    ),
    "ours": Contestant("ours, alone", build_ours, OUR_NAMES),
    "sklearn": Contestant("MLPClassifier", build_sklearn, SKLEARN_NAMES),
    "skorch": Contestant("skorch", build_skorch, SKORCH_NAMES),
    "none": Contestant("no network", build_dummy, {}),
}
PEERS = tuple(name for name in CONTESTANTS if name != "batched")


def make_search(
    name: str, case: SearchCase, seed: int, n_jobs: int | None
) -> GridSearchCV:
    """Return a contestant's search over the case's candidates."""
    contestant = CONTESTANTS[name]
    model = Pipeline(
        [("scale", StandardScaler()), ("net", contestant.build(case.base, seed))]
    )
    grids = [
        {
            f"net__{contestant.names[key]}": [value]
            for key, value in candidate.items()
            if key in contestant.names
        }
        for candidate in case.candidates
    ]
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    return GridSearchCV(
        model, grids, cv=folds, refit=False, error_score="raise", n_jobs=n_jobs
    )


def timed_search(
    name: str, case: SearchCase, data: tuple[Any, Any], seed: int, n_jobs: int | None
) -> tuple[float, float]:
    """Return the seconds of one whole search, and its best score."""
    X, y = data
    if name == "skorch":
        y = y.astype(np.float32)
    search = make_search(name, case, seed, n_jobs)
    gc.collect()
    time.sleep(arena.SETTLE_SECONDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with CONTESTANTS[name].context():
            start = time.perf_counter()
            search.fit(X, y)
            seconds = time.perf_counter() - start
    return seconds, float(np.max(search.cv_results_["mean_test_score"]))


def warm_up(entries: Sequence[tuple[str, int | None]], case: SearchCase) -> None:
    """Run a tiny search of every contestant, also in the worker processes."""
    quick = case.quick()
    data = arena.make_data(replace(quick.base, n_rows=200))
    for name, n_jobs in entries:
        timed_search(name, quick, data, 0, n_jobs)


# --------------------------------------------------------------------- searches


def race(
    case: SearchCase, names: Sequence[str], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Run every contestant with every n_jobs in every repeat; return the figures."""
    data = load_data(case, options.pima)
    entries = [
        (name, n_jobs)
        for name in names
        for n_jobs in CONTESTANTS[name].n_jobs(options.n_jobs)
    ]
    warm_up(entries, case)
    seconds: dict[tuple[str, int | None], list[float]] = defaultdict(list)
    scores: dict[str, list[float]] = defaultdict(list)
    busy = []
    for repeat in range(options.repeats):
        busy.append(arena.busy_cores())
        for name, n_jobs in arena.shuffled(entries, repeat):
            taken, score = timed_search(name, case, data, repeat, n_jobs)
            seconds[name, n_jobs].append(taken)
            if n_jobs in (None, options.n_jobs[0]):
                scores[name].append(score)
    batched = median(seconds["batched", None]) if "batched" in names else math.nan
    records = []
    for name in names:
        counts = CONTESTANTS[name].n_jobs(options.n_jobs)
        best = min(counts, key=lambda count: median(seconds[name, count]))
        records.append(
            {
                "case": case.base.name,
                "description": case.description,
                "contestant": name,
                "n_jobs": best,
                "seconds": median(seconds[name, best]),
                "time_to_batched": median(seconds[name, best]) / batched,
                "best_score": float(np.mean(scores[name])),
                "search_seconds": {
                    str(count): seconds[name, count] for count in counts
                },
                "busy_cores": busy,
            }
        )
    return records


def table_of(records: Sequence[dict[str, Any]]) -> str:
    """Return the records as a Markdown table."""
    rows = [
        (
            record["case"],
            CONTESTANTS[record["contestant"]].title,
            "-" if record["n_jobs"] is None else str(record["n_jobs"]),
            f"{record['seconds']:.2f}",
            f"{record['time_to_batched']:.1f}",
            "-" if record["contestant"] == "none" else f"{record['best_score']:.4f}",
        )
        for record in records
    ]
    return arena.markdown_table(HEADERS, rows)


def compare_searches(options: argparse.Namespace) -> None:
    """Race the contestants over the cases, print the table and write the results."""
    names = ["batched", *options.peers]
    facts = arena.machine_facts()
    records: list[dict[str, Any]] = []
    lines: list[str] = []
    text = ""
    for case in options.cases:
        found = race(case, names, options)
        records += found
        busiest = max(found[0]["busy_cores"])
        lines.append(
            f"- {case.base.name}: {case.description}; other processes kept "
            f"{busiest:.2f} cores busy"
        )
        text = "\n\n".join(
            [
                "# Time of one search",
                f"{arena.facts_line(facts)}; medians of {options.repeats} repeats",
                table_of(records),
                "\n".join(lines),
                *NOTES,
            ]
        )
        print(table_of(found), flush=True)
        if options.json:  # after every case: an interrupted run keeps what it has
            figures = {
                "machine": facts,
                "repeats": options.repeats,
                "searches": records,
            }
            arena.write_results(options.json, figures, text)
    print("\n" + text)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options with the cases looked up and, where quick, cut short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cases",
        type=arena.one_of(tuple(CASES)),
        default=list(CASES),
        metavar="NAMES",
        help=f"comma list of cases (default {','.join(CASES)})",
    )
    parser.add_argument(
        "--peers",
        type=arena.one_of(PEERS),
        default=list(PEERS),
        metavar="NAMES",
        help=f"comma list of contestants beside ours, batched (default {PEERS})",
    )
    parser.add_argument(
        "--n-jobs",
        type=arena.comma_integers,
        default=[1, 2],
        metavar="COUNTS",
        help="n_jobs of which each contestant gets its best (default 1,2)",
    )
    parser.add_argument(
        "--pima",
        type=Path,
        metavar="FILE",
        help="CSV of the case pima, the label last; without it, drawn at that size",
    )
    arena.add_common_options(parser, n_repeats=3)
    options = parser.parse_args(arguments)
    complete = options.peers == list(PEERS) and options.cases == list(CASES)
    if options.json is None and complete and not options.quick:
        options.json = arena.RESULTS / "search_speed.json"
    cases = [CASES[name] for name in options.cases]
    if options.quick:
        options.repeats = 1
        cases = [case.quick() for case in cases]
    options.cases = cases
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    compare_searches(parse_options(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
