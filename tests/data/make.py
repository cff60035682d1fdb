"""Makes saved models, each beside rows and the scores of those rows.

    python tests/data/make.py 2

writes arrays_2.joblib, arrays_2.csv and so on beside this file, and refuses to replace
one: what has been saved once must load for ever. See docs/pickled-state.md.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier, save
from torch_binary_classifier.assembly import tabular_pipeline
from torch_binary_classifier.positive import with_positive

FOLDER = Path(__file__).parent
N_ROWS = 80
SMALL = {
    "hidden_layer_sizes": (8,),
    "learning_rate": "cosine",
    "learning_rate_init": 0.02,
    "max_iter": 60,
    "random_state": 0,
}


def numbers():
    """Return columns of numbers and labels."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N_ROWS, 3)), columns=["a", "b", "c"])
    noise = 0.3 * rng.normal(size=N_ROWS)
    return X, np.where(X["a"] - X["b"] + noise > 0, "yes", "no")


def mixed():
    """Return columns of numbers, texts, codes and times, gaps in them, and labels."""
    rng = np.random.default_rng(1)
    age = rng.normal(50, 10, N_ROWS).round(1)
    days = rng.integers(0, 900, N_ROWS)
    X = pd.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Oslo", "Bergen", "Rome"], N_ROWS),
            "code": rng.integers(1, 4, N_ROWS),
            "day": (pd.Timestamp("2022-01-01") + pd.to_timedelta(days, "D")).strftime(
                "%Y-%m-%d"
            ),
        }
    )
    X.loc[::9, "age"] = None
    X.loc[::11, "city"] = None
    X.loc[::13, "day"] = None
    return X, (age + days / 50 > 60).astype(int)


def make_arrays():
    """Return a plain pipeline trained on arrays, and rows."""
    X, y = numbers()
    clf = TorchBinaryClassifier(**SMALL)
    return make_pipeline(StandardScaler(), clf).fit(X.to_numpy(), y), X


def make_mixed():
    """Return the pipeline of `train` on a table of many kinds, and rows."""
    X, y = mixed()
    pipe = tabular_pipeline(
        numeric=["age"],
        categorical=["city", "code"],
        times=["day"],
        classifier=TorchBinaryClassifier(**SMALL),
    )
    return pipe.fit(X, y), X


def make_ensemble():
    """Return an ensemble that stopped early and reports its first class, and rows."""
    X, y = numbers()
    clf = TorchBinaryClassifier(**SMALL, n_members=3, early_stopping=True)
    return with_positive(make_pipeline(StandardScaler(), clf).fit(X, y), "no"), X


def main(number):
    """Write all models under a number that none has yet."""
    for make in (make_arrays, make_mixed, make_ensemble):
        path = FOLDER / f"{make.__name__.removeprefix('make_')}_{number}.joblib"
        if path.exists():
            sys.exit(f"{path} is there: give another number.")
        model, X = make()
        rows = X if hasattr(model, "feature_names_in_") else X.to_numpy()
        probability = model.predict_proba(rows)[:, 1]
        save(model, path)
        X.assign(probability=probability).to_csv(path.with_suffix(".csv"), index=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
