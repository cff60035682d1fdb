"""Small seeded data that many test modules share."""

import os

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import save
from torch_binary_classifier.cli.main import main


@pytest.fixture
def rng():
    """Return a numpy generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def tiny_data(rng):
    """Return (X, y): 60 rows of 3 standardised columns, two of them informative."""
    X = rng.normal(size=(60, 3))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = (X[:, 0] - X[:, 1] + 0.3 * rng.normal(size=60) > 0).astype(int)
    return X, y


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    """Return an empty working folder with a table of two classes."""
    monkeypatch.chdir(tmp_path)
    n_rows = 80
    age = rng.normal(50, 10, size=n_rows)
    table = pd.DataFrame(
        {
            "age": age,
            "member": rng.choice([True, False], size=n_rows),
            "city": rng.choice(["Oslo", "Bergen", None], size=n_rows),
            "code": rng.choice([1, 2, 3], size=n_rows),
            "nothing": np.nan,
            "bought": np.where(age + rng.normal(size=n_rows) > 50, "yes", "no"),
        }
    )
    table.loc[3, "age"] = np.nan
    table.to_csv("people.csv", index=False)
    table.to_parquet("people.parquet", index=False)
    return tmp_path


@pytest.fixture
def age_model(folder):
    """Return the path of a model of the table's ages."""
    table = pd.read_csv("people.csv").dropna(subset=["age"])
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    save(pipe.fit(table[["age"]], table["bought"]), "model.joblib")
    pd.DataFrame({"age": [40.0, 60.0]}).to_csv("new.csv", index=False)
    return folder / "model.joblib"


@pytest.fixture
def run(capsys):
    """Return a function that runs a command: exit code, output, errors."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def cluster():
    """Return a client of two worker processes that are reached over TCP."""
    distributed = pytest.importorskip("distributed")
    environment = dict(os.environ)  # in which it sets the workers' number of threads
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tcp://",
            dashboard_address=None,
        ) as started,
        distributed.Client(started) as client,
    ):
        yield client
    os.environ.clear()
    os.environ.update(environment)
