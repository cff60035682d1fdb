"""The tables of accuracy.py: a folder of files, or what scikit-learn brings along.

A folder holds META.json, an object with an entry per table: `file` (CSV with a header,
or Parquet; the label is the column `target`, 0 or 1), `numeric` and `categorical` (the
names of the columns). What a contestant is and does is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import StratifiedShuffleSplit

TRAIN_FRACTION = 0.7  # of a table that is too small for the rows asked for

# A category of its own: what a gap among categories is, for every contestant.
MISSING_CATEGORY = "missing"

GENERATED_ROWS = 20_000


@dataclass(frozen=True)
class Table:
    """Rows of mixed columns with their labels."""

    X: pd.DataFrame
    y: NDArray[np.int64]
    numeric: list[str]
    categorical: list[str]

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return the table of some rows."""
        return replace(self, X=self.X.iloc[rows], y=self.y[rows])


@dataclass(frozen=True)
class Split:
    """The training and the test rows of one split of a table."""

    train: Table
    test: Table


TableLoader = Callable[[], Table]


# ----------------------------------------------------------------------- files


def read_table(folder: Path, entry: Mapping[str, Any]) -> Table:
    """Read one table of a folder."""
    path = folder / entry["file"]
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    else:
        frame = pd.read_csv(
            path, keep_default_na=False, na_values=[""], low_memory=False
        )
    X = frame.drop(columns="target")
    for column in entry["categorical"]:
        text = X[column].astype("string").astype(object)
        X[column] = text.where(X[column].notna(), MISSING_CATEGORY)
    for column in entry["numeric"]:
        X[column] = pd.to_numeric(X[column], errors="coerce").astype(float)
    y = frame["target"].to_numpy().astype(np.int64)
    return Table(X, y, list(entry["numeric"]), list(entry["categorical"]))


def folder_tables(folder: Path) -> dict[str, TableLoader]:
    """Return a loader for each table of a folder, in the order of its META.json."""
    meta = json.loads((folder / "META.json").read_text(encoding="utf-8"))
    return {
        name: lambda entry=entry: read_table(folder, entry)
        for name, entry in meta.items()
    }


# ------------------------------------------------------- scikit-learn's own


def numeric_table(X: NDArray[Any], y: NDArray[Any]) -> Table:
    """Return a table of numbers only."""
    names = [f"x{index}" for index in range(X.shape[1])]
    frame = pd.DataFrame(X.astype(float), columns=names)
    return Table(frame, np.asarray(y).astype(np.int64), names, [])


def friedman() -> Table:
    """Return Friedman's first problem, its value cut at the median."""
    X, value = datasets.make_friedman1(GENERATED_ROWS, noise=1.0, random_state=0)
    return numeric_table(X, value > np.median(value))


def hastie() -> Table:
    """Return ten normal columns, the label their squared length cut at the median."""
    X, y = datasets.make_hastie_10_2(GENERATED_ROWS, random_state=0)
    return numeric_table(X, y > 0)


SKLEARN_TABLES: dict[str, TableLoader] = {
    "breast_cancer": lambda: numeric_table(
        *datasets.load_breast_cancer(return_X_y=True)
    ),
    "moons": lambda: numeric_table(
        *datasets.make_moons(GENERATED_ROWS, noise=0.3, random_state=0)
    ),
    "circles": lambda: numeric_table(
        *datasets.make_circles(GENERATED_ROWS, noise=0.2, factor=0.5, random_state=0)
    ),
    "clusters": lambda: numeric_table(
        *datasets.make_classification(
            GENERATED_ROWS, 20, n_informative=8, flip_y=0.05, random_state=0
        )
    ),
    "hastie": hastie,
    "friedman": friedman,
}


def find_tables(folder: Path | None) -> dict[str, TableLoader]:
    """Return the tables of a folder, or scikit-learn's own."""
    return dict(SKLEARN_TABLES) if folder is None else folder_tables(folder)


# --------------------------------------------------------- splits and gaps


def split_table(table: Table, *, n_rows: int, split: int) -> Split:
    """Draw at most `n_rows` training rows, and at most twice as many to test on."""
    n_train = min(n_rows, int(len(table.y) * TRAIN_FRACTION))
    n_test = min(2 * n_rows, len(table.y) - n_train)
    drawing = StratifiedShuffleSplit(
        1, train_size=n_train, test_size=n_test, random_state=split
    )
    train, test = next(drawing.split(table.X, table.y))
    return Split(table.take(train), table.take(test))


def with_gaps(table: Table, fraction: float, *, kind: str, seed: int) -> Table:
    """Return the table with a fraction of its cells missing.

    `random`: any cell; `high`: among the numbers only those above their column's
    median, twice as many of them, so that the gap itself says something.
    """
    rng = np.random.default_rng(seed)
    X = table.X.copy()
    for column in table.numeric:
        draw = rng.random(len(X))
        if kind == "high":
            gone = (draw < 2 * fraction) & (X[column] > X[column].median()).to_numpy()
        else:
            gone = draw < fraction
        X[column] = X[column].mask(gone)
    for column in table.categorical:
        gone = rng.random(len(X)) < fraction
        X[column] = X[column].mask(gone, MISSING_CATEGORY)
    return replace(table, X=X)
