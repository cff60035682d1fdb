"""Every cell of the table of changes in docs/scoring.md holds."""

import re
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.table_files import write

from builders import network
from torch_binary_classifier import (
    InputScaleMismatchWarning,
    schema,
    score_table,
    scorer,
)

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "scoring.md"
N_ROWS = 60
OUTCOMES = ("ok", "warned", "rejected", "error")


def people():
    """Return a table of fractions, whole numbers, a text and a truth value."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, N_ROWS),
            "pets": rng.integers(0, 5, N_ROWS),
            "city": rng.choice(["Oslo", "Rome"], N_ROWS),
            "member": rng.random(N_ROWS) > 0.5,
        }
    )


def with_cell(column, value):
    """Return a change of one cell."""

    def change(X):
        X.loc[3, column] = value
        return X

    return change


CHANGES = {
    "none": lambda X: X,
    "columns in another order": lambda X: X[["pets", "age", "city", "member"]],
    "a column more": lambda X: X.assign(more=1),
    "a column missing": lambda X: X.drop(columns="pets"),
    "a column renamed": lambda X: X.rename(columns={"pets": "animals"}),
    "whole numbers for fractions": lambda X: X.assign(age=X["age"].astype(int)),
    "fractions for whole numbers": lambda X: X.assign(pets=X["pets"] + 0.5),
    "numbers as texts": lambda X: X.assign(age=X["age"].astype(str)),
    "truth values for numbers": lambda X: X.assign(age=X["age"] > 50),
    "a category never seen": with_cell("city", "Paris"),
    "NaN": with_cell("age", np.nan),
    "inf": with_cell("age", np.inf),
    "1e300": with_cell("age", 1e300),
    "a whole number beyond 2^53": with_cell("pets", 2**53 + 1),
    "no columns": lambda X: X[[]],
    "no rows": lambda X: X[:0],
}


def declared():
    """Return what the document declares of each change and kind of table."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    first = lines.index("| change | NumPy | pandas | polars | Arrow | CSV | Parquet |")
    kinds = cells(lines[first])[1:]
    table = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        change, *outcomes = cells(line)
        table[change] = dict(zip(kinds, outcomes, strict=True))
    return table


def cells(line):
    """Return the cells of a line of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


TABLE = declared()


@pytest.fixture(scope="module")
def model():
    X = people()
    # By places, so that an array without names can be scored at all.
    steps = make_column_transformer(
        (StandardScaler(), [0, 1]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [2]),
        ("passthrough", [3]),
    )
    fitted = make_pipeline(steps, network()).fit(X, X["age"] > 50)
    fitted._manifest = {"schema": schema(X).to_dict()}
    return fitted


def of_memory(model, X, _):
    """Score a table in memory."""
    return "ok", model.predict_proba(X)[:, 1]


def of_polars(model, X, _):
    """Score a frame of polars."""
    polars = pytest.importorskip("polars")
    return "ok", model.predict_proba(polars.from_pandas(X))[:, 1]


def of_arrow(model, X, _):
    """Score a table of Arrow."""
    batch = scorer(model)(pa.Table.from_pandas(X, preserve_index=False))
    return "ok", batch["probability"].to_numpy()


def of_file(model, X, path):
    """Score a file, with as many rejected records as there may be."""
    write(X, path)
    out = path.with_name("scores.parquet")
    summary = score_table(model, path, out, max_bad_records="100%")
    is_told = summary.drift or any(column.is_strange for column in summary.columns)
    outcome = "rejected" if summary.n_rejected else "warned" if is_told else "ok"
    assert summary.n_rejected in (0, 1)
    return outcome, pd.read_parquet(out)["probability"].to_numpy()


KINDS = {
    "NumPy": lambda model, X, path: of_memory(model, X.to_numpy(), path),
    "pandas": of_memory,
    "polars": of_polars,
    "Arrow": of_arrow,
    "CSV": lambda model, X, path: of_file(model, X, path.with_suffix(".csv")),
    "Parquet": lambda model, X, path: of_file(model, X, path.with_suffix(".parquet")),
}


def outcome_of(model, X, kind, path):
    """Return what happens to a table, and the scores."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome, scores = KINDS[kind](model, X, path)
        except (TypeError, ValueError):
            return "error", np.zeros(0)
    return ("warned" if outcome == "ok" and caught else outcome), scores


def test_the_document_declares_every_cell():
    assert [*TABLE] == [*CHANGES]
    for outcomes in TABLE.values():
        assert [*outcomes] == [*KINDS]
        assert set(outcomes.values()) <= set(OUTCOMES)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(re.search(rf"\*\*{outcome}\*\*", text) for outcome in OUTCOMES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES)
def test_cell(model, tmp_path, change, kind):
    X = CHANGES[change](people())
    outcome, scores = outcome_of(model, X, kind, tmp_path / "new")
    assert outcome == TABLE[change][kind]
    assert np.isfinite(scores).all()
    if outcome in ("ok", "warned"):
        assert len(scores) == len(X)
    elif outcome == "rejected":
        assert len(scores) == N_ROWS - 1


def test_an_array_in_another_order_is_scored_wrongly(model):
    X = people()
    right = model.predict_proba(X)[:, 1]
    swapped = CHANGES["columns in another order"](X)
    np.testing.assert_array_equal(model.predict_proba(swapped)[:, 1], right)
    untold = deepcopy(model)  # others may have had the model tell of its scale
    with (
        pytest.warns(UserWarning, match="X does not have valid feature names"),
        pytest.warns(InputScaleMismatchWarning, match="column 1"),
    ):
        wrong = untold.predict_proba(swapped.to_numpy())[:, 1]
    assert np.abs(wrong - right).max() > 0.01
