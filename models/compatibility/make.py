"""Makes saved models, each beside rows and the scores of those rows.

    python models/compatibility/make.py 1

writes NAME_1.joblib, NAME_1.skops and NAME_1.csv for each NAME into the folder of the
format that is written now, and the outline of that format, if it is not there. It
refuses to replace a file: what has been saved once must load for ever. See
docs/model-files.md.
"""

import json
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier, save
from torch_binary_classifier.assembly import tabular_pipeline
from torch_binary_classifier.persistence import joblib_file, seal, skops_file
from torch_binary_classifier.persistence.model_file import FORMAT, read_model_file
from torch_binary_classifier.positive import with_positive

HOME = Path(__file__).parent
SUFFIXES = (".joblib", ".skops")
# Some of the models are signed. The key is no secret.
SIGNED = ("arrays", "search")
KEY = b"the key of models/compatibility"
N_ROWS = 80
SMALL = {
    "hidden_layer_sizes": (8,),
    "learning_rate": "cosine",
    "learning_rate_init": 0.02,
    "max_iter": 60,
    "random_state": 0,
}
# One network of the columns as they are.
SINGLE = SMALL | {"encoding": None, "n_members": 1, "batch_size": 32, "max_iter": 20}


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


def scaled(rows, labels, **parameters):
    """Return a fitted pipeline of a scaler and one small network."""
    clf = TorchBinaryClassifier(**SINGLE | parameters)
    return make_pipeline(StandardScaler(), clf).fit(rows, labels)


def as_trained(name, X):
    """Return rows in the types that the model of a name was trained on."""
    if name == "arrays":
        return X.to_numpy()
    if name == "float32":
        return X.to_numpy(np.float32)
    if name == "moments":
        moments = pd.to_datetime(X["day"], utc=True)
        return X.assign(day=moments, city=X["city"].astype("category"))
    return X


def make_arrays():
    """Return a plain pipeline trained on arrays with texts as labels, and rows."""
    X, y = numbers()
    return scaled(as_trained("arrays", X), y), X


def make_mixed():
    """Return the pipeline of `train` on a table of many kinds, and rows."""
    X, y = mixed()
    pipe = tabular_pipeline(
        numeric=["age"],
        categorical=["city", "code"],
        times=["day"],
        classifier=TorchBinaryClassifier(**SINGLE),
    )
    return pipe.fit(X, y), X


def make_moments():
    """Return that pipeline trained on times as such and categories, and rows."""
    X, y = mixed()
    pipe = tabular_pipeline(
        numeric=["age"],
        categorical=["city", "code"],
        times=["day"],
        classifier=TorchBinaryClassifier(**SINGLE),
    )
    return pipe.fit(as_trained("moments", X), y), X


def make_ensemble():
    """Return an ensemble that stopped early and reports its first class, and rows."""
    X, y = numbers()
    parameters = {"n_members": 3, "early_stopping": True, "max_iter": 60}
    return with_positive(scaled(X, y, **parameters), "no"), X


def make_defaults():
    """Return the bare default, two kinds of networks, and rows."""
    X, y = numbers()
    X = X[["a", "b"]]  # keep the file small
    return TorchBinaryClassifier(max_iter=3, random_state=0).fit(X, y), X


def make_search():
    """Return a search, and rows."""
    X, y = numbers()
    grid = {"torchbinaryclassifier__alpha": [0.001, 0.1]}
    return GridSearchCV(scaled(X, y), grid, cv=2).fit(X, y), X


def make_weights():
    """Return a network with weights of the classes, and rows."""
    X, y = numbers()
    return scaled(X, y, class_weight={"no": 1.0, "yes": 3.0}), X


def make_normed():
    """Return a network that normalises its input, in double precision, and rows."""
    X, y = numbers()
    clf = TorchBinaryClassifier(**SINGLE, input_norm="batch", dtype="float64")
    return clf.fit(X, y == "yes"), X


def make_float32():
    """Return a network in single precision trained on such numbers, and rows."""
    X, y = numbers()
    return scaled(as_trained("float32", X), y, dtype="float32"), X


MAKERS = {
    name.removeprefix("make_"): value
    for name, value in sorted(globals().items())
    if name.startswith("make_") and name != "make_pipeline"
}


def write(name, path, suffixes=SUFFIXES):
    """Write one of the models to files; return its rows and their probabilities."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a few epochs
        model, X = MAKERS[name]()
    rows = as_trained(name, X)
    for suffix in suffixes:
        save(
            model,
            path.with_suffix(suffix),
            X=rows,
            metrics={"log_loss": 0.5},
            notes=MAKERS[name].__doc__,
            sign_with=KEY if name in SIGNED else None,
        )
    return X.assign(probability=model.predict_proba(rows)[:, 1])


# What a manifest names by the user's words.
OPEN = ("parameters", "metrics", "versions", "best_params_")


def outline(manifests):
    """Return the place of every value in manifests, and the types that stand there."""
    found = {}
    for manifest in manifests:
        for place, kind in places("", manifest):
            found.setdefault(place, set()).add(kind)
    return {place: sorted(kinds) for place, kinds in sorted(found.items())}


def places(place, value):
    """Yield the places below one, and the type of what is there."""
    yield place, type(value).__name__
    if place.rpartition(".")[2] in OPEN:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(f"{place}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from places(f"{place}[]", item)


def written_now():
    """Return what a file of the format that is written now is like."""
    manifests = []
    with TemporaryDirectory() as folder:
        for name in MAKERS:
            path = Path(folder) / f"{name}.joblib"
            write(name, path, [path.suffix])  # both kinds have the same keys
            manifests.append(read_model_file(path).manifest)
    return {
        "mark": joblib_file.MARK.hex(),
        "magic": seal.MAGIC.hex(),
        "seal_bytes": seal.N_BYTES,
        "member": skops_file.MANIFEST,
        "manifest": outline(manifests),
    }


def main(number):
    """Write all models under a number that none has yet."""
    folder = HOME / f"format_{FORMAT}"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name}_{number}.csv" for name in MAKERS]
    if any(path.exists() for path in paths):
        sys.exit(f"Files of {number} are in {folder}: give another number.")
    for name, path in zip(MAKERS, paths, strict=True):
        write(name, path).to_csv(path, index=False)
    if not (folder / "outline.json").exists():
        text = json.dumps(written_now(), indent=1)
        (folder / "outline.json").write_text(f"{text}\n", encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]))
