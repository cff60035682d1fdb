"""The experiment that this project starts from: the same small network on raw inputs,
on standardised inputs, and behind a BatchNorm input layer.

    python benchmarks/normalization.py

prints a table and draws docs/normalization.png.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter
from sklearn.datasets import make_circles
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
REAL_SERIES = ROOT.parent / "shared" / "data" / "heart_rate_gt91.csv"
SEEDS = range(5)
INPUTS = ("raw", "standardised", "batch norm")


@dataclass(frozen=True)
class Task:
    """Rows with a label each, and where they come from."""

    name: str
    X: np.ndarray  # (n_rows, n_features)
    y: np.ndarray  # (n_rows,)


@dataclass(frozen=True)
class Setting:
    """What one line of the table varies."""

    inputs: str
    learning_rate_init: float
    n_iterations: int


@dataclass(frozen=True)
class Outcome:
    """One trained network: how well it ends, and its way there."""

    loss: float
    accuracy: float
    loss_curve: np.ndarray  # (n_iterations,)


def make_circle_task() -> Task:
    """Return the toy problem: two rings around 0, with a deviation near 0.5."""
    X, y = make_circles(500, noise=0.1, factor=0.2, random_state=0)
    return Task("circles", X, y)


def make_heart_rate_task(n_rows: int = 1800, seed: int = 0) -> Task:
    """Return a generated series that drifts like a pulse; the label is above 91.

    The mean, the deviation and the lag-one autocorrelation (0.95) are near those of
    the series hr.11839 of Goldberger and Rigney (1991).
    """
    noise = np.random.default_rng(seed).normal(size=n_rows)
    drift = lfilter([1.0], [1.0, -0.95], noise)
    rate = 92.6 + 5.5 * (drift - drift.mean()) / drift.std()
    return Task("heart rate, generated", rate[:, None], (rate > 91).astype(int))


def read_heart_rate_task(path: Path) -> Task:
    """Return the series of a CSV file with the columns hr and target."""
    table = np.genfromtxt(path, delimiter=",", names=True)
    return Task("heart rate", table["hr"][:, None], table["target"].astype(int))


def make_estimator(setting: Setting, n_rows: int, seed: int) -> TorchBinaryClassifier:
    """Return ten logistic units that take exactly n_iterations full-batch steps."""
    return TorchBinaryClassifier(
        hidden_layer_sizes=(10,),
        activation="logistic",
        solver="adam",
        alpha=0.0,
        batch_size=n_rows,
        learning_rate_init=setting.learning_rate_init,
        max_iter=setting.n_iterations,
        n_iter_no_change=setting.n_iterations,
        input_norm="batch" if setting.inputs == "batch norm" else None,
        unscaled_input="ignore",  # raw inputs are the point
        dropout=0.0,
        encoding=None,
        input_factors=False,
        weight_average=0.0,
        early_stopping=False,
        n_members=1,
        random_state=seed,
    )


def train(task: Task, setting: Setting, seed: int) -> Outcome:
    """Return the outcome of one network, measured as it would score new rows."""
    clf = make_estimator(setting, len(task.y), seed)
    scaler = StandardScaler() if setting.inputs == "standardised" else "passthrough"
    pipe = make_pipeline(scaler, clf)
    with warnings.catch_warnings():
        # The number of iterations is given; whether they suffice is the question.
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipe.fit(task.X, task.y)
    return Outcome(
        loss=log_loss(task.y, pipe.predict_proba(task.X)),
        accuracy=pipe.score(task.X, task.y),
        loss_curve=np.asarray(clf.loss_curve_),
    )


def make_settings(iterations: Sequence[int]) -> list[Setting]:
    """Return the lines of the table in their order."""
    return [
        Setting(inputs, learning_rate_init, n_iterations)
        for inputs in INPUTS
        for learning_rate_init in (0.001, 0.01)
        for n_iterations in iterations
    ]


Results = dict[tuple[str, Setting], list[Outcome]]


def run(tasks: Sequence[Task], settings: Sequence[Setting]) -> Results:
    """Return the outcomes of every task and setting, one for each seed."""
    return {
        (task.name, setting): [train(task, setting, seed) for seed in SEEDS]
        for task in tasks
        for setting in settings
    }


def format_table(results: Results) -> Iterator[str]:
    """Yield the table's lines: the range over the seeds is what counts."""
    yield (
        f"{'task':<22} {'inputs':<13} {'lr':>6} {'iterations':>10} "
        f"{'loss':>7} {'lowest':>7} {'highest':>7} {'accuracy':>9}"
    )
    for (name, setting), outcomes in results.items():
        losses = [outcome.loss for outcome in outcomes]
        yield (
            f"{name:<22} {setting.inputs:<13} {setting.learning_rate_init:>6} "
            f"{setting.n_iterations:>10,} {np.median(losses):>7.4f} "
            f"{min(losses):>7.4f} {max(losses):>7.4f} "
            f"{min(outcome.accuracy for outcome in outcomes):>9.4f}"
        )
    yield (
        f"loss: mean log-loss of the training rows, median of {len(SEEDS)} seeds; "
        "accuracy: the lowest of the seeds"
    )


COLOURS = {"raw": "C3", "standardised": "C0", "batch norm": "C2"}
# The two cures lie on each other: a broad pale line shows below a thin one.
WIDTHS = {"raw": 0.5, "standardised": 3.5, "batch norm": 0.8}
OPACITIES = {"raw": 0.8, "standardised": 0.35, "batch norm": 1.0}
STYLES = {0.001: ":", 0.01: "-"}


def draw(results: Results, path: Path) -> None:
    """Write the loss curves of the first two tasks as a PNG, a panel for each."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for name, _ in results))[:2]
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        draw_panel(panel, name, results)
    panels[0].set_ylabel("training loss (nats per row)")
    panels[-1].legend(frameon=False, fontsize=8, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def draw_panel(panel: Axes, name: str, results: Results) -> None:
    """Draw the longest run of each input and learning rate, a line for each seed."""
    longest = max(setting.n_iterations for _, setting in results)
    for (task_name, setting), outcomes in results.items():
        if task_name != name or setting.n_iterations != longest:
            continue
        for position, outcome in enumerate(outcomes):
            label = f"{setting.inputs}, lr {setting.learning_rate_init}"
            panel.loglog(
                np.arange(1, longest + 1),
                outcome.loss_curve,
                color=COLOURS[setting.inputs],
                linestyle=STYLES[setting.learning_rate_init],
                linewidth=WIDTHS[setting.inputs],
                alpha=OPACITIES[setting.inputs],
                label=label if position == 0 else None,
            )
    panel.set_title(name, fontsize=10)
    panel.set_xlabel("iteration (full batch, Adam)")
    panel.set_xlim(10, longest)
    panel.spines[["top", "right"]].set_visible(False)


def choose_tasks(series: Path | None) -> list[Task]:
    """Return the two tasks that need no file, and the real series if there is one."""
    if series is None and REAL_SERIES.exists():
        series = REAL_SERIES
    tasks = [make_circle_task(), make_heart_rate_task()]
    return tasks if series is None else [*tasks, read_heart_rate_task(series)]


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--heart-rate",
        type=Path,
        metavar="FILE",
        help="CSV with the columns hr and target, beside the generated series",
    )
    parser.add_argument(
        "--iterations", type=int, nargs="+", default=[1_000, 10_000], metavar="N"
    )
    parser.add_argument(
        "--picture",
        type=Path,
        default=ROOT / "docs" / "normalization.png",
        metavar="FILE",
        help="where the loss curves go, default docs/normalization.png",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the experiment, print its table, draw its picture."""
    options = parse_arguments(argv)
    results = run(choose_tasks(options.heart_rate), make_settings(options.iterations))
    print("\n".join(format_table(results)))
    draw(results, options.picture)


if __name__ == "__main__":
    main()
