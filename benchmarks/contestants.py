"""The cases, contestants, clocks and tables that the benchmarks share.

A contestant is one way to train the same network on the same rows with the same
optimizer for the same number of epochs; what is done with its times is not known here.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import itertools
import json
import math
import multiprocessing
import os
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from torch import nn

RESULTS = Path(__file__).parent / "results"

LEARNING_RATE = 0.001
BETAS = (0.9, 0.999)
EPSILON = 1e-8
NEVER = 10**9  # epochs without improvement before stopping: no rule ends a fit

# Rows per call when a reached loss is computed: bounds every contestant's memory.
SCORING_ROWS = 10_000

# OpenMP and OpenBLAS workers keep spinning for some milliseconds after a call; they
# are asleep after this pause, and nobody is timed beside its forerunner's.
SETTLE_SECONDS = 0.05

# Long enough to count the kernel's ticks of 10 ms, short enough for every repeat.
BUSY_SAMPLE_SECONDS = 0.3

# Each layer's weights (in, out) and biases (out,).
Weights = list[tuple[NDArray[Any], NDArray[Any]]]

# From rows to the probability of class 1 of each.
Scorer = Callable[[NDArray[Any]], NDArray[Any]]


# ---------------------------------------------------------------------- cases


@dataclass(frozen=True)
class Case:
    """One training job: the data's size, the network and the number of epochs."""

    name: str
    n_rows: int
    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    batch_size: int
    n_epochs: int

    @property
    def n_steps(self) -> int:
        """Optimizer steps of one fit; the short last batch of an epoch is one."""
        return math.ceil(self.n_rows / self.batch_size) * self.n_epochs

    @property
    def flops_per_step(self) -> float:
        """Mean floating-point operations of the matrix products of one step.

        With P weights, P1 of them in the first layer, and B rows: 2PB forward, 2PB for
        the weights' gradients and 2(P - P1)B for the inputs' gradients.
        """
        sizes = (self.n_features, *self.hidden_layer_sizes, 1)
        weights = [n_in * n_out for n_in, n_out in itertools.pairwise(sizes)]
        per_row = 6 * sum(weights) - 2 * weights[0]
        return per_row * self.n_rows * self.n_epochs / self.n_steps

    @property
    def description(self) -> str:
        """The case in a table's cell."""
        hidden = ", ".join(map(str, self.hidden_layer_sizes))
        return (
            f"{self.n_rows:,} x {self.n_features}, ({hidden}), "
            f"batch {self.batch_size}, {self.n_epochs} epochs"
        )

    def shortened(self, max_steps: int) -> Case:
        """Return the case with fewer rows and epochs, at most `max_steps` steps."""
        n_rows = min(self.n_rows, self.batch_size * max_steps)
        steps_per_epoch = math.ceil(n_rows / self.batch_size)
        n_epochs = min(self.n_epochs, max(1, max_steps // steps_per_epoch))
        return replace(self, n_rows=n_rows, n_epochs=n_epochs)


CASES = {
    case.name: case
    for case in (
        Case("a", 500, 2, (10,), 500, 1000),
        Case("b", 569, 30, (100,), 64, 100),
        Case("c", 20_000, 20, (100,), 200, 5),
        Case("d", 100_000, 20, (256, 128), 256, 2),
        Case("e", 1_000_000, 4, (500,), 200, 1),
        Case("f", 50_000, 200, (512, 512, 256), 1024, 2),
    )
}


def make_data(
    case: Case, *, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return standardised float32 inputs and labels drawn from a known probability.

    The labels are noisy, so that the loss stays away from 0 and its ratio between two
    contestants means something. No temporary is as large as `X`.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((case.n_rows, case.n_features), dtype=np.float32)
    weights = rng.standard_normal(case.n_features, dtype=np.float32)
    logits = X @ (2 * weights / np.linalg.norm(weights)) + X[:, 0] * X[:, 1]
    y = (rng.random(case.n_rows) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    return X, y


# ----------------------------------------------------------------- contestants


@dataclass(frozen=True)
class Job:
    """What every contestant is given: a case, its data, a seed and a device."""

    case: Case
    X: NDArray[np.float32]
    y: NDArray[np.int64]
    seed: int = 0
    device: str = "cpu"
    n_members: int = 1

    @cached_property
    def start(self) -> Weights:
        """The weights and biases from which every contestant starts.

        They are those that TorchBinaryClassifier draws with this seed: a fit with a
        learning rate of nothing leaves them where they were.
        """
        model = new_classifier(self, learning_rate_init=1e-35, max_iter=1)
        model.set_params(batch_size=min(SCORING_ROWS, len(self.X)), n_members=1)
        with quiet_convergence():
            model.fit(self.X, self.y)
        return list(zip(model.coefs_, model.intercepts_, strict=True))


# What MLPClassifier's defaults are, and what the others train: one network of the
# columns as they are.
MLP = {
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "alpha": 0.0001,
    "batch_size": 200,
    "learning_rate_init": 0.001,
    "early_stopping": False,
    "n_iter_no_change": 10,
    "dropout": 0.0,
    "encoding": None,
    "input_factors": False,
    "weight_average": 0.0,
    "n_members": 1,
}


def mlp_parameters(case: Case, seed: int) -> dict[str, Any]:
    """Return the constructor parameters that MLPClassifier and ours both get."""
    return {
        "hidden_layer_sizes": case.hidden_layer_sizes,
        "activation": "relu",
        "solver": "adam",
        "alpha": 0.0,
        "batch_size": case.batch_size,
        "learning_rate_init": LEARNING_RATE,
        "max_iter": case.n_epochs,
        "shuffle": True,
        "random_state": seed,
        "tol": 0.0,
        "early_stopping": False,
        "beta_1": BETAS[0],
        "beta_2": BETAS[1],
        "epsilon": EPSILON,
        "n_iter_no_change": NEVER,
    }


def new_classifier(job: Job, **changes: Any) -> Any:
    """Return an unfitted TorchBinaryClassifier."""
    from torch_binary_classifier import TorchBinaryClassifier

    return TorchBinaryClassifier(
        **MLP
        | {"n_members": job.n_members}
        | mlp_parameters(job.case, job.seed)
        | changes,
        dtype="float32",
        device=job.device,
        unscaled_input="ignore",
    )


def fit_ours(job: Job) -> Scorer:
    """Train TorchBinaryClassifier."""
    model = new_classifier(job).fit(job.X, job.y)
    return lambda X: model.predict_proba(X)[:, 1]


class StartedMLPClassifier(MLPClassifier):
    """MLPClassifier that starts from given weights; everything else is its own."""

    start: Iterator[tuple[NDArray[Any], NDArray[Any]]]

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> Any:
        """Return the next layer's first weights and biases."""
        coef, intercept = next(self.start)
        if coef.shape != (fan_in, fan_out):
            msg = f"weights of shape {(fan_in, fan_out)} wanted, got {coef.shape}"
            raise ValueError(msg)
        return coef.astype(dtype), intercept.astype(dtype)


def fit_sklearn(job: Job) -> Scorer:
    """Train MLPClassifier, which keeps float32 inputs in float32."""
    model = StartedMLPClassifier(**mlp_parameters(job.case, job.seed))
    model.start = iter(job.start)
    model.fit(job.X, job.y)
    return lambda X: model.predict_proba(X)[:, 1]


def build_network(job: Job) -> nn.Sequential:
    """Return a module with the job's first weights."""
    torch.manual_seed(job.seed)
    layers: list[nn.Module] = []
    for coef, intercept in job.start:
        linear = nn.Linear(*coef.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(coef.T))
            linear.bias.copy_(torch.from_numpy(intercept))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def fit_torch(job: Job) -> Scorer:
    """Train by a plain PyTorch loop: index batches, fused Adam, no loss read back."""
    network = build_network(job).to(job.device)
    X = torch.from_numpy(job.X).to(job.device)
    y = torch.from_numpy(job.y.astype(np.float32)).to(job.device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(
        network.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, fused=True
    )
    for _ in range(job.case.n_epochs):
        order = torch.randperm(len(X), device=job.device)
        for rows in order.split(job.case.batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(network(X[rows]).squeeze(1), y[rows])
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def score(X: NDArray[Any]) -> NDArray[Any]:
        logits = network(torch.from_numpy(X).to(job.device)).squeeze(1)
        return torch.sigmoid(logits).cpu().numpy()

    return score


def fit_skorch(job: Job) -> Scorer:
    """Train skorch's NeuralNetBinaryClassifier with everything optional turned off."""
    from skorch import NeuralNetBinaryClassifier

    model = NeuralNetBinaryClassifier(
        build_network(job),
        max_epochs=job.case.n_epochs,
        batch_size=job.case.batch_size,
        optimizer=torch.optim.Adam,
        optimizer__lr=LEARNING_RATE,
        optimizer__betas=BETAS,
        optimizer__eps=EPSILON,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=SCORING_ROWS,
        train_split=None,
        callbacks="disable",
        verbose=0,
        device=job.device,
    ).fit(job.X, job.y.astype(np.float32))
    return lambda X: model.predict_proba(X)[:, 1]


FITTERS: dict[str, Callable[[Job], Scorer]] = {
    "ours": fit_ours,
    "sklearn": fit_sklearn,
    "skorch": fit_skorch,
    "torch": fit_torch,
}

TITLES = {
    "ours": "TorchBinaryClassifier",
    "sklearn": "MLPClassifier",
    "skorch": "skorch",
    "torch": "plain PyTorch",
}

PEERS = tuple(name for name in FITTERS if name != "ours")

INITIALISATION_NOTE = (
    "Every contestant starts from the same weights, those that TorchBinaryClassifier "
    "draws with the seed; the order of the rows is each one's own."
)


def reached_loss(score: Scorer, job: Job) -> float:
    """Return the mean log-loss on the training rows, in float64, in blocks of rows."""
    starts = range(0, len(job.X), SCORING_ROWS)
    blocks = [score(job.X[start : start + SCORING_ROWS]) for start in starts]
    probabilities = np.concatenate(blocks).astype(np.float64)
    return float(log_loss(job.y, probabilities, labels=[0, 1]))


# ---------------------------------------------------------------------- clocks


@contextlib.contextmanager
def thread_cap(n_threads: int) -> Iterator[None]:
    """Let torch and numpy's BLAS use at most `n_threads` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(limits=n_threads, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def quiet_convergence() -> Iterator[None]:
    """Silence the warning that a fit ended by its number of epochs: all of them do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def timed_fit(contestant: str, job: Job) -> tuple[float, Scorer]:
    """Return the seconds of one whole fit, and how to score with what it learnt."""
    if contestant != "ours":
        _ = job.start  # drawn before the clock runs
    gc.collect()
    time.sleep(SETTLE_SECONDS)
    with quiet_convergence():
        start = time.perf_counter()
        score = FITTERS[contestant](job)
        if job.device != "cpu":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds, score


def warm_up(contestants: Sequence[str], job: Job) -> None:
    """Fit every contestant for two steps, so that no import is timed."""
    case = job.case.shortened(2)
    small = replace(job, case=case, X=job.X[: case.n_rows], y=job.y[: case.n_rows])
    for contestant in contestants:
        timed_fit(contestant, small)


def shuffled(entries: Sequence[Any], repeat: int) -> list[Any]:
    """Return the entries in another order in every repeat: neighbours change too."""
    order = np.random.default_rng(repeat).permutation(len(entries))
    return [entries[index] for index in order]


def gemm_flops_per_second(device: str = "cpu", *, n_products: int = 5) -> float:
    """Return the best rate of `n_products` square float32 products by torch.mm."""
    size = 1024 if device == "cpu" else 8192
    left = torch.randn(size, size, device=device)
    right = torch.randn(size, size, device=device)
    out = torch.empty(size, size, device=device)
    best = math.inf
    for _ in range(n_products + 1):  # the first only warms up
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def busy_cores() -> float:
    """Return how many cores other processes keep busy while this one sleeps.

    Where it is more than a few hundredths, the times measured beside it are too long,
    and those on several threads far too long. NaN where the kernel does not say.
    """

    def busy_seconds() -> float:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        ticks = [int(count) for count in fields.split()[1:9]]
        idle = ticks[3] + ticks[4]  # waiting for a disk is idle too
        return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK") - time.process_time()

    if not Path("/proc/stat").exists():
        return math.nan
    start, before = time.perf_counter(), busy_seconds()
    time.sleep(BUSY_SAMPLE_SECONDS)
    return max(0.0, (busy_seconds() - before) / (time.perf_counter() - start))


def _spin(ready: Any, parent: int) -> None:
    """Multiply matrices on one thread until the parent ends this process or dies."""
    left = np.random.default_rng(0).standard_normal((256, 256))
    out = np.empty_like(left)
    with threadpool_limits(limits=1):
        ready.release()
        while os.getppid() == parent:
            np.matmul(left, left, out=out)


@contextlib.contextmanager
def busy_processes(n_processes: int) -> Iterator[None]:
    """Keep `n_processes` cores busy inside the block."""
    context = multiprocessing.get_context("spawn")
    ready = context.Semaphore(0)
    spinners = [
        context.Process(target=_spin, args=(ready, os.getpid()), daemon=True)
        for _ in range(n_processes)
    ]
    try:
        for spinner in spinners:
            spinner.start()
        for _ in spinners:
            if not ready.acquire(timeout=120):
                message = "busy processes must start within 120 seconds, got none."
                raise RuntimeError(message)
        yield
    finally:
        for spinner in spinners:
            spinner.terminate()
            spinner.join()


# ---------------------------------------------------------------------- memory


def reset_peak_memory() -> None:
    """Make the peak start again from what is resident now, where the kernel can."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_bytes() -> int:
    """Return the highest resident memory of this process since the last reset.

    getrusage is only the fallback: on Linux its maximum is inherited from the process
    that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# ------------------------------------------------------- options, tables, files


def comma_list(text: str) -> list[str]:
    """Parse `a,b,c`; an empty text is an empty list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def comma_integers(text: str) -> list[int]:
    """Parse `1,2,4`."""
    return [int(part) for part in comma_list(text)]


def one_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Return an argparse type: a comma list in which every name is known."""

    def parse(text: str) -> list[str]:
        chosen = comma_list(text)
        for name in chosen:
            if name not in names:
                known = ", ".join(sorted(names))
                message = f"each name must be one of {known}, got {name!r}."
                raise argparse.ArgumentTypeError(message)
        return chosen

    return parse


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def add_common_options(parser: argparse.ArgumentParser, *, n_repeats: int) -> None:
    """Add the options that every benchmark has."""
    parser.add_argument(
        "--repeats",
        type=int,
        default=n_repeats,
        metavar="N",
        help=f"timed rounds, a seed each; medians are shown (default {n_repeats})",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round: does everything run?"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the figures to FILE and the tables to FILE's name with .md",
    )


def add_contest_options(parser: argparse.ArgumentParser, *, cases: str) -> None:
    """Add the options of the benchmarks that race contestants over the cases."""
    parser.add_argument(
        "--cases",
        type=one_of(tuple(CASES)),
        default=comma_list(cases),
        metavar="NAMES",
        help=f"comma list of cases (default {cases})",
    )
    parser.add_argument(
        "--threads",
        type=comma_integers,
        default=[1, 2],
        metavar="COUNTS",
        help="thread counts of which each contestant gets its best (default 1,2)",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to train"
    )


def machine_facts(device: str = "cpu") -> dict[str, Any]:
    """Return what a reader needs to judge the figures: machine and versions."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    packages = ("numpy", "scikit-learn", "skorch", "torch")
    facts: dict[str, Any] = {
        "processor": processor,
        "cores": available_cores(),
        "busy_cores_before": round(busy_cores(), 2),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
    if device != "cpu":
        facts["accelerator"] = torch.cuda.get_device_name()
    return facts


def facts_line(facts: Mapping[str, Any]) -> str:
    """Return the machine's facts as one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned Markdown table; every column but the first is right-aligned."""
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(3, *(len(cell) for cell in column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [
            cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)
        ]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(headers), line(rule), *(line(row) for row in rows)])


def megabytes(n_bytes: float) -> str:
    """Return an amount of memory for a table's cell."""
    return f"{n_bytes / 1e6:.1f}"


def write_results(path: Path, figures: Mapping[str, Any], text: str) -> None:
    """Write the figures as JSON to `path` and the tables as Markdown beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
