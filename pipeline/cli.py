"""The commands: arguments, one call, an exit code; trains and scores nothing itself.

Only this file imports inside functions: ``--help`` and mistakes in the arguments must
not wait for scikit-learn, and ``score`` and ``inspect`` never import torch.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipeline import __version__
from pipeline.exceptions import ArtefactError, OutputError, TableError
from pipeline.signals import Terminated, raised_signals

if TYPE_CHECKING:
    from pipeline.scoring import Chunk

__all__ = ["TrainingPlan", "demo", "inspect", "main", "score", "train"]

PROGRAM = "torch-binary-classifier"
DONE, UNFIT_INPUT, UNWRITABLE_OUTPUT, INTERRUPTED, SIGNALLED = 0, 3, 4, 130, 128

MODELS = Path("models")
MODEL_SUFFIX = ".joblib"
DEMO_TARGET = "diagnosis"
TABLE_SUFFIXES = (".csv", ".parquet", ".pq")
HELD_OUT_FRACTION = 0.25
# A fold of the search must leave the ensemble a row of either class for each member.
MIN_ROWS_PER_CLASS = 10
# A line on a terminal is rewritten often; a log gets another one now and then.
TERMINAL_SECONDS, LOG_SECONDS = 0.1, 10.0
DISTRIBUTIONS = ("scikit-learn", "torch", "numpy", "joblib", "pyarrow")


@dataclass(frozen=True)
class TrainingPlan:
    """How to train on a table.

    Attributes
    ----------
    target : str
        The column to predict.
    categorical : tuple of str
        Columns to treat as texts although they hold numbers.
    drop : tuple of str
        Columns to leave out.
    grid : bool
        Whether to search for the best parameters.
    seed : int
        Seed of the held-out rows and of the network.
    """

    target: str
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    grid: bool = False
    seed: int = 0


def main(argv: Sequence[str] | None = None, stream: TextIO | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None for those of the process.
    stream : text file, default=None
        Where results go; None for the standard output.

    Returns
    -------
    int
        0 done, 3 the input is unreadable or unfit, 4 an output could not be
        written, 128 and the number of the signal when stopped by one: 130 by Ctrl-C,
        143 by SIGTERM, 129 by SIGHUP. Unfit arguments end the process with code 2.
    """
    arguments = _parser().parse_args(argv)
    stream = sys.stdout if stream is None else stream
    try:
        with raised_signals(), _short_warnings():
            arguments.run(arguments, stream)
            stream.flush()
    except ValueError as error:
        return _fail(error, UNFIT_INPUT)
    except OutputError as error:
        return _fail(error, UNWRITABLE_OUTPUT)
    except OSError as error:
        return _fail_stream(error, stream)
    except KeyboardInterrupt:
        return _fail("Interrupted.", INTERRUPTED)
    except Terminated as error:
        return _fail(f"Stopped by {error}.", SIGNALLED + error.number)
    return DONE


def train(data: Path, out: Path, plan: TrainingPlan, *, stream: TextIO) -> None:
    """Train on a table, report how well it went, and save the fitted Pipeline.

    Parameters
    ----------
    data : path
        The table, CSV or Parquet.
    out : path
        The model file to write.
    plan : TrainingPlan
        How to train.
    stream : text file
        Where the report goes.

    Raises
    ------
    TableError
        If the table cannot be read, or its columns are unfit.
    OutputError
        If the model cannot be written; its folder is looked at before any work.
    """
    from sklearn.model_selection import train_test_split

    from pipeline.assembly import baselines
    from pipeline.persistence import check_writable, save
    from pipeline.scoring import read_table

    check_writable(out)
    table = read_table(data)
    y = _target(table, plan.target)
    columns = _columns(table, plan)
    _write_columns(table, columns, y, stream)
    X, held_out_X, y, held_out_y = train_test_split(
        _frame(table, columns),
        y,
        test_size=HELD_OUT_FRACTION,
        stratify=y,
        random_state=plan.seed,
    )
    fitted = {"this pipeline": _fitted(plan, columns, X, y, stream)}
    for name, baseline in baselines(**columns).items():
        fitted[name] = baseline.fit(X, y)
    _write_metrics(fitted, held_out_X, held_out_y, stream)
    save(fitted["this pipeline"], out)
    stream.write(f"Saved {out}, fitted on the {len(y)} rows that were not held out\n")


def score(model: Path, data: Path, out: Path, *, stream: TextIO) -> None:
    """Score a table with a saved model.

    Parameters
    ----------
    model : path
        The model file.
    data : path
        The rows to score, CSV or Parquet.
    out : path
        The table to write, CSV or Parquet.
    stream : text file
        Where the progress and the report go.

    Raises
    ------
    ArtefactError
        If the model cannot be read, or is no binary classifier of named columns.
    TableError
        If the table cannot be read, or does not fit the model.
    OutputError
        If the output cannot be written.
    """
    from pipeline.persistence import load
    from pipeline.scoring import score_table

    progress = _Progress(stream)
    try:
        summary = score_table(load(model), data, out, report=progress.show_rows)
    finally:
        progress.clear()
    if summary.ignored:
        stream.write(f"Ignored columns: {', '.join(summary.ignored)}\n")
    stream.write(f"Scored {summary.n_rows} rows of {data} into {out}\n")


def inspect(model: Path, *, stream: TextIO) -> None:
    """Describe what a model file holds.

    Parameters
    ----------
    model : path
        The model file.
    stream : text file
        Where the description goes.

    Raises
    ------
    ArtefactError
        If the model cannot be read.
    """
    from pipeline.persistence import load

    estimator = load(model)
    facts = {"file": f"{model}, {model.stat().st_size} bytes"}
    facts |= _pipeline_facts(estimator) | _network_facts(_last_step(estimator))
    facts["installed"] = ", ".join(_versions())
    width = max(len(name) for name in facts)
    for name, fact in facts.items():
        stream.write(f"{name:<{width}}  {fact}\n")


def demo(folder: Path, *, stream: TextIO) -> None:
    """Tune, save and score on real data, and report each step.

    Parameters
    ----------
    folder : path
        Where the model goes; the tables go into its subfolder ``demo``.
    stream : text file
        Where the report goes.

    Raises
    ------
    OutputError
        If a file cannot be written.

    Notes
    -----
    The data are the 569 tumours of scikit-learn's breast cancer set. A quarter of
    them plays the part of new rows, which another process scores.
    """
    from pipeline.assembly import baselines, tuned
    from pipeline.persistence import save
    from pipeline.scoring import read_table

    files = _DemoFiles(folder)
    new_y = _write_demo_tables(files)
    table = read_table(files.train)
    y = table.labels(DEMO_TARGET)
    columns = _columns(table, TrainingPlan(DEMO_TARGET))
    _write_columns(table, columns, y, stream)
    X, new_X = _frame(table, columns), _frame(read_table(files.new), columns)
    pipe, grid = _demo_candidates()
    stream.write("Searching for the best parameters of StandardScaler + network\n")
    search = tuned(pipe, grid, X, y)
    _write_search(search, stream)
    fitted = {"this pipeline": search.best_estimator_}
    for name, baseline in baselines(**columns).items():
        fitted[name] = baseline.fit(X, y)
    metrics = _write_metrics(fitted, new_X, new_y, stream)
    save(search.best_estimator_, files.model)
    _score_elsewhere(files, stream)
    _compare_scores(files, search.best_estimator_.predict_proba(new_X)[:, 1], stream)
    stream.write(f"Saved:    {files.model}\n")
    stream.write(f"Held out: {_listed_metrics(metrics['this pipeline'])}\n")
    stream.write(f"Scored:   {files.scored}\n")


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Train, save and apply a binary classifier."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_train(commands)
    _add_score(commands)
    _add_inspect(commands)
    return parser


def _add_demo(commands: Any) -> None:
    """Add the command ``demo``."""
    parser = commands.add_parser("demo", help="tune, save and score on real data")
    parser.add_argument(
        "--folder",
        type=Path,
        default=MODELS,
        help="where model and tables go (default: %(default)s)",
    )
    parser.set_defaults(run=_run_demo)


def _add_train(commands: Any) -> None:
    """Add the command ``train``."""
    parser = commands.add_parser(
        "train",
        help="train on a table and save the fitted pipeline",
        description="Train on three quarters of a table's rows, report how well the "
        "network does on the others, and save it.",
    )
    parser.add_argument("data", metavar="DATA", type=Path, help=_table_help("train on"))
    parser.add_argument(
        "--target", metavar="COLUMN", required=True, help="the column to predict"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=_model_path,
        help="model file to write (default: models/ and the name of DATA)",
    )
    parser.add_argument(
        "--grid",
        action="store_true",
        help="search for the best width, step size and penalty",
    )
    parser.add_argument(
        "--categorical",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column of numbers that are codes, not quantities; may be repeated",
    )
    parser.add_argument(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column to leave out; may be repeated",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        help="seed of the held-out rows and of the network (default: %(default)s)",
    )
    parser.set_defaults(run=_run_train, refuse=parser.error)


def _add_score(commands: Any) -> None:
    """Add the command ``score``."""
    parser = commands.add_parser(
        "score",
        help="score a table with a saved model",
        description="Write the probability and the predicted label of every row.",
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.add_argument("data", metavar="DATA", type=Path, help=_table_help("score"))
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=_table_path,
        required=True,
        help=_table_help("write"),
    )
    parser.set_defaults(run=_run_score, refuse=parser.error)


def _add_inspect(commands: Any) -> None:
    """Add the command ``inspect``."""
    parser = commands.add_parser("inspect", help="describe a saved model")
    parser.add_argument("model", metavar="MODEL", type=Path, help="model file")
    parser.set_defaults(run=_run_inspect)


def _run_demo(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``demo``."""
    demo(arguments.folder, stream=stream)


def _run_train(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``train``."""
    out = arguments.out
    if out is None:
        _make_folder(MODELS)
        out = MODELS / f"{arguments.data.stem}{MODEL_SUFFIX}"
    _check_no_input(arguments, out, arguments.data)
    plan = TrainingPlan(
        target=arguments.target,
        categorical=tuple(arguments.categorical),
        drop=tuple(arguments.drop),
        grid=arguments.grid,
        seed=arguments.seed,
    )
    train(arguments.data, out, plan, stream=stream)


def _run_score(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``score``, unless its output would replace its input."""
    model, data, out = arguments.model, arguments.data, arguments.out
    _check_no_input(arguments, out, model, data)
    score(model, data, out, stream=stream)


def _check_no_input(arguments: argparse.Namespace, out: Path, *inputs: Path) -> None:
    """Refuse an output that is one of the inputs, be it through a link."""
    for path in inputs:
        with contextlib.suppress(OSError):  # what is not there is not replaced
            if out.samefile(path):
                arguments.refuse(f"argument --out: must be no input, got '{out}'")


def _run_inspect(arguments: argparse.Namespace, stream: TextIO) -> None:
    """Run ``inspect``."""
    inspect(arguments.model, stream=stream)


def _table_help(purpose: str) -> str:
    """Return the help on an argument that names a table."""
    return f"table to {purpose} ({', '.join(TABLE_SUFFIXES)})"


def _table_path(text: str) -> Path:
    """Return the path of a table that is to be written."""
    return _path_with_suffix(text, TABLE_SUFFIXES)


def _model_path(text: str) -> Path:
    """Return the path of a model file that is to be written."""
    return _path_with_suffix(text, (MODEL_SUFFIX,))


def _path_with_suffix(text: str, suffixes: Sequence[str]) -> Path:
    """Return a path, or refuse it as an argument if it ends in something else."""
    if Path(text).suffix.lower() not in suffixes:
        msg = f"must end in {', '.join(suffixes)}, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)


def _seed(text: str) -> int:
    """Return a seed that NumPy accepts, or refuse the argument."""
    if not text.isdecimal() or int(text) >= 2**32:
        msg = f"must be a whole number from 0 to 2**32 - 1, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _make_folder(folder: Path) -> None:
    """Make a folder unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} must be a folder, got {error.strerror}."
        raise OutputError(msg) from error


def _target(table: Chunk, target: str) -> Any:
    """Return the labels of a table, or refuse a target that cannot be learnt."""
    _check_known(table, "--target", [target])
    y = table.labels(target)
    counts = Counter(y.tolist())
    if len(counts) != 2:
        msg = (
            f"column {target!r} of {table.source} must hold two classes, "
            f"got {len(counts)}{': ' if counts else ''}{_shortened(sorted(counts))}."
        )
        raise TableError(msg)
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] < MIN_ROWS_PER_CLASS:
        msg = (
            f"column {target!r} of {table.source} must hold each class in at least "
            f"{MIN_ROWS_PER_CLASS} rows, got {counts[rarest]} of {rarest!r}."
        )
        raise TableError(msg)
    return y


def _columns(table: Chunk, plan: TrainingPlan) -> dict[str, list[str]]:
    """Return the columns to learn from, by kind; empty ones are of no use."""
    _check_known(table, "--categorical", plan.categorical)
    _check_known(table, "--drop", plan.drop)
    columns: dict[str, list[str]] = {"numeric": [], "categorical": []}
    for name in table.columns:
        if name == plan.target or name in plan.drop:
            continue
        kind = table.kind(name)
        if kind == "text" or name in plan.categorical:
            columns["categorical"].append(name)
        elif kind == "numeric":
            columns["numeric"].append(name)
    if not any(columns.values()):
        msg = f"{table.source} must have a column to learn from, got none with values."
        raise TableError(msg)
    return columns


def _check_known(table: Chunk, option: str, names: Sequence[str]) -> None:
    """Refuse an option that names a column which the table lacks."""
    for name in names:
        if name not in table.columns:
            msg = (
                f"{option} must be a column of {table.source}, got {name!r}. "
                f"Its columns are {_shortened(list(table.columns))}."
            )
            raise TableError(msg)


def _shortened(values: Sequence[object], n_shown: int = 10) -> str:
    """Return values as a phrase, the first few of many."""
    shown = ", ".join(repr(value) for value in values[:n_shown])
    rest = len(values) - n_shown
    return f"{shown} and {rest} more" if rest > 0 else shown


def _frame(table: Chunk, columns: Mapping[str, Sequence[str]]) -> Any:
    """Return a table's columns as a frame, in the table's order."""
    from pipeline.scoring import as_frame

    readers = dict.fromkeys(columns["numeric"], table.numbers)
    readers |= dict.fromkeys(columns["categorical"], table.texts)
    return as_frame({n: readers[n](n) for n in table.columns if n in readers})


def _fitted(
    plan: TrainingPlan, columns: dict[str, list[str]], X: Any, y: Any, stream: TextIO
) -> Any:
    """Return the fitted pipeline of a plan."""
    from pipeline.assembly import default_grid, tabular_pipeline, tuned

    pipe = tabular_pipeline(**columns).set_params(clf__random_state=plan.seed)
    if not plan.grid:
        stream.write("Training\n")
        stream.flush()
        return pipe.fit(X, y)
    stream.write("Searching for the best parameters\n")
    stream.flush()
    search = tuned(pipe, default_grid(), X, y)
    _write_search(search, stream)
    return search.best_estimator_


def _write_columns(
    table: Chunk, columns: Mapping[str, Sequence[str]], y: Any, stream: TextIO
) -> None:
    """Report what a table holds, and which of its columns need a second look."""
    classes = ", ".join(f"{n} of {v}" for v, n in sorted(Counter(y.tolist()).items()))
    stream.write(
        f"Read {table.n_rows} rows of {table.source} ({classes}): "
        f"{len(columns['numeric'])} numeric and {len(columns['categorical'])} "
        "categorical columns\n"
    )
    for name in columns["categorical"]:
        for note in _notes(table, name):
            stream.write(f"Note: {note}\n")


def _notes(table: Chunk, name: str) -> Iterator[str]:
    """Yield what may be wrong with a column of texts."""
    from pipeline.assembly import MAX_CATEGORIES

    odd = table.odd_text(name)
    if odd is not None:
        yield (
            f"column {name!r} is taken for text, because row {odd[0]} (rows are "
            f"counted from 0) holds {odd[1]!r}."
        )
    n_texts = len(table.columns[name].unique().drop_null())
    if n_texts >= MAX_CATEGORIES:
        yield (
            f"column {name!r} holds {n_texts} different texts, of which the "
            f"{MAX_CATEGORIES - 1} most frequent count. If it only identifies rows, "
            f"leave it out: --drop {name!r}."
        )


def _write_search(search: Any, stream: TextIO) -> None:
    """Report what a search tried and found."""
    results = search.cv_results_
    for parameters, loss in zip(
        results["params"], -results["mean_test_score"], strict=True
    ):
        stream.write(f"  log-loss {loss:.4f} with {_listed_parameters(parameters)}\n")
    stream.write(f"Best: {_listed_parameters(search.best_params_)}\n")


def _listed_parameters(parameters: Mapping[str, object]) -> str:
    """Return parameters of the pipeline's last step as a phrase."""
    return ", ".join(
        f"{name.rpartition('__')[2]}={value}" for name, value in parameters.items()
    )


def _write_metrics(
    fitted: Mapping[str, Any], X: Any, y: Any, stream: TextIO
) -> dict[str, dict[str, float]]:
    """Measure fitted classifiers on held-out rows; report them side by side."""
    from pipeline.assembly import held_out_metrics

    metrics = {name: held_out_metrics(model, X, y) for name, model in fitted.items()}
    width = max(len(name) for name in metrics)
    titles = "".join(f"{title:>10}" for title in next(iter(metrics.values())))
    stream.write(f"On {len(y)} rows held out:\n  {'':<{width}}{titles}\n")
    for name, values in metrics.items():
        cells = "".join(f"{value:>10.4f}" for value in values.values())
        stream.write(f"  {name:<{width}}{cells}\n")
    return metrics


def _listed_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as a phrase."""
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _pipeline_facts(estimator: Any) -> dict[str, str]:
    """Return what any fitted scikit-learn classifier can say about itself."""
    facts = {"holds": type(estimator).__name__}
    steps = getattr(getattr(estimator, "best_estimator_", estimator), "steps", ())
    if steps:
        facts["steps"] = ", ".join(f"{n} ({type(step).__name__})" for n, step in steps)
    if hasattr(estimator, "best_params_"):
        facts["best"] = _listed_parameters(estimator.best_params_)
    if hasattr(estimator, "classes_"):
        classes = estimator.classes_.tolist()
        facts["classes"] = f"{_shortened(classes)}; probability of {classes[-1]!r}"
    facts["columns"] = _column_fact(estimator)
    return facts


def _column_fact(estimator: Any) -> str:
    """Return the names of a classifier's input columns, texts marked."""
    from pipeline.scoring import input_columns

    try:
        columns = input_columns(estimator)
    except ArtefactError as error:
        return f"unknown: {error}"
    names = [f"{n} (text)" if n in columns.texts else n for n in columns.names]
    return f"{len(names)}: {', '.join(names)}"


def _last_step(estimator: Any) -> Any:
    """Return the classifier at the end of a pipeline or a search."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if steps else estimator


def _network_facts(network: Any) -> dict[str, str]:
    """Return what a fitted network can say about itself; nothing for other kinds."""
    weights = getattr(network, "coefs_", None)
    if weights is None:
        return {}
    sizes = [weights[0].shape[-2], *(weight.shape[-1] for weight in weights)]
    facts = {
        "layers": "-".join(str(size) for size in sizes),
        "members": str(getattr(network, "n_members", 1)),
        "epochs": str(network.n_iter_),
        "training loss": _last_of(getattr(network, "loss_curve_", None)),
        "validation loss": _last_of(getattr(network, "validation_loss_curve_", None)),
        "best loss": f"{network.best_loss_:.4f}",
    }
    return {name: fact for name, fact in facts.items() if fact}


def _last_of(curve: Sequence[float] | None) -> str:
    """Return the end of a curve, or nothing if there is none."""
    return f"{curve[-1]:.4f} in the last epoch" if curve else ""


def _versions() -> Iterator[str]:
    """Yield the versions that are installed; asks no module, so imports none."""
    yield f"Python {platform.python_version()}"
    yield f"{PROGRAM} {__version__}"
    for name in DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"


@dataclass(frozen=True)
class _DemoFiles:
    """Where the demonstration puts its files."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "breast_cancer.joblib"

    @property
    def train(self) -> Path:
        return self.folder / "demo" / "train.csv"

    @property
    def new(self) -> Path:
        return self.folder / "demo" / "new.csv"

    @property
    def scored(self) -> Path:
        return self.folder / "demo" / "scored.csv"


def _write_demo_tables(files: _DemoFiles) -> Any:
    """Write rows to train on and new rows; return the latter's labels, unwritten."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    _make_folder(files.train.parent)
    bunch = load_breast_cancer()
    y = bunch.target_names[bunch.target]
    X, new_X, y, new_y = train_test_split(
        bunch.data, y, test_size=HELD_OUT_FRACTION, stratify=y, random_state=0
    )
    columns = dict(zip(bunch.feature_names.tolist(), X.T, strict=True))
    _write_csv(files.train, columns | {DEMO_TARGET: y})
    _write_csv(files.new, dict(zip(columns, new_X.T, strict=True)))
    return new_y


def _write_csv(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns as a CSV file whose numbers read back bit for bit."""
    import pyarrow as pa

    from pipeline.persistence import replaced_file
    from pipeline.scoring import open_writer

    rows = pa.table(dict(columns))
    with (
        replaced_file(path) as file,
        open_writer(file, path.suffix, rows.schema) as writer,
    ):
        writer.write(rows)


def _demo_candidates() -> tuple[Any, dict[str, list[Any]]]:
    """Return the pipeline of the demonstration and the parameters to try."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from pipeline.classifier import TorchBinaryClassifier

    network = TorchBinaryClassifier(learning_rate="cosine", max_iter=60, random_state=0)
    grid: dict[str, list[Any]] = {
        "clf__hidden_layer_sizes": [(16,), (64, 32)],
        "clf__learning_rate_init": [0.01, 0.03],
        "clf__alpha": [0.01, 1.0],
    }
    return Pipeline([("scale", StandardScaler()), ("clf", network)]), grid


def _score_elsewhere(files: _DemoFiles, stream: TextIO) -> None:
    """Score the new rows in another process."""
    arguments = ["score", str(files.model), str(files.new), "--out", str(files.scored)]
    stream.write(f"In another process: {PROGRAM} {' '.join(arguments)}\n")
    stream.flush()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        msg = f"the other process must end with code 0, got {done.returncode}: "
        raise OutputError(msg + done.stderr.strip())
    stream.write(done.stdout)


def _compare_scores(files: _DemoFiles, expected: Any, stream: TextIO) -> None:
    """Report whether the other process's scores are this one's, bit for bit."""
    from pipeline.scoring import read_table

    scores = read_table(files.scored).numbers("probability")
    same = bool((scores == expected).all())
    stream.write(f"Same scores as in this process, bit for bit: {same}\n")


class _Progress:
    """A line on a terminal that is rewritten; elsewhere a new line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._pause = TERMINAL_SECONDS if self._is_terminal else LOG_SECONDS
        self._last = time.monotonic()

    def show_rows(self, n_rows: int, read_fraction: float) -> None:
        """Show how many rows are done, unless the last line is quite new."""
        now = time.monotonic()
        if now - self._last < self._pause:
            return
        self._last = now
        text = f"{n_rows} rows scored, {read_fraction:.0%} of the file"
        self._stream.write(f"\r\x1b[K{text}" if self._is_terminal else f"{text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Make room for the report on a terminal."""
        if self._is_terminal:
            self._stream.write("\r\x1b[K")


@contextlib.contextmanager
def _short_warnings() -> Iterator[None]:
    """Show warnings as one line each, without a place in the code."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        sys.stderr.write(f"{PROGRAM}: warning: {_one_line(message)}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _fail(problem: object, code: int) -> int:
    """Report a problem on one line and return the exit code."""
    with contextlib.suppress(OSError):  # of a terminal that has gone
        sys.stderr.write(f"{PROGRAM}: error: {_one_line(problem)}\n")
    return code


def _fail_stream(error: OSError, stream: TextIO) -> int:
    """Report that the results cannot be written, and return the exit code."""
    # Python flushes the standard output once more at its end, and would fail again.
    if stream is sys.stdout:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if isinstance(error, BrokenPipeError):
        return UNWRITABLE_OUTPUT
    problem = f"the output must be writable, got {error.strerror or error}."
    return _fail(problem, UNWRITABLE_OUTPUT)


def _one_line(message: object) -> str:
    """Return a message without line breaks."""
    return " ".join(str(message).split())
