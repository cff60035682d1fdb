"""Tables to score, and what a job leaves behind."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq


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
