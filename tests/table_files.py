"""A small table, a model of it, and files of tables, for the tests of scoring."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from torch_binary_classifier.assembly import tabular_pipeline
from torch_binary_classifier.jobs import score_table

N_ROWS = 50


def people(rng):
    """Return a table of two numbers and a text."""
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, size=N_ROWS),
            "income": rng.normal(3e4, 5e3, size=N_ROWS),
            "city": rng.choice(["Oslo", "Bergen", "1"], size=N_ROWS).astype(object),
        }
    )


def fitted(table):
    """Return a pipeline fitted to such a table: text labels, imputers, one-hot."""
    y = np.where(table["age"] + 10 * (table["city"] == "Oslo") > 52, "yes", "no")
    return tabular_pipeline(
        numeric=["age", "income"],
        categorical=["city"],
        classifier=LogisticRegression(),
    ).fit(table, y)


def write(frame, path):
    """Write a DataFrame as the kind of file that the path names."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def csv_of(tmp_path, text):
    """Write text as a CSV file."""
    path = tmp_path / "new.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def score_anew(model, data, out, **options):
    """Score a table, whatever was written to the output before."""
    return score_table(model, data, out, restart=True, **options)
