"""A small model and its tables."""

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from builders import network
from scored_tables import people
from torch_binary_classifier import load, save

N_ROWS = 1_000


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
