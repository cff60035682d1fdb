"""A small model, its tables, and what a job leaves behind."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from builders import network
from torch_binary_classifier import load, save

N_ROWS = 1_000


def people(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"p{i:07d}" for i in range(n_rows)],
            "age": rng.integers(20, 90, n_rows),
            "pulse": rng.normal(92, 15, n_rows).round(3),
            "city": rng.choice(["Oslo", "Rome", "Bern, CH"], n_rows),
        }
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a fitted model as a job gets it: loaded, with its schema."""
    frame = people(300)[["age", "pulse", "city"]]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (StandardScaler(), ["age", "pulse"]),
    )
    model = make_pipeline(columns, network())
    model.fit(frame, frame.pulse * frame.age > 92 * 55)
    path = tmp_path_factory.mktemp("model") / "model.joblib"
    save(model, path, X=frame)
    return path


@pytest.fixture
def model(trained):
    return load(trained)


@pytest.fixture(scope="session")
def frame():
    return people(N_ROWS, seed=1)


@pytest.fixture(params=["csv", "parquet"])
def data(request, tmp_path, frame):
    """Return a file of some parts' length."""
    path = tmp_path / f"people.{request.param}"
    if request.param == "csv":
        pa_csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), path)
    else:
        frame.to_parquet(path, index=False, row_group_size=100)
    return path


def scored(out):
    """Return the scores that a job wrote."""
    if out.suffix == ".csv":
        return pd.read_csv(out)
    return pq.read_table(out).to_pandas()


def digest(out):
    """Return a digest of all that a job wrote, names included."""
    found = hashlib.sha256()
    beside = sorted(out.parent.glob(f"{out.name}*"))
    for path in [*beside, *sorted(out.rglob("*"))]:
        found.update(path.name.encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()
