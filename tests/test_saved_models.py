"""Every model in tests/data, of whatever age, loads and scores as when it was saved."""

import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from torch_binary_classifier import load
from torch_binary_classifier.scoring import score_table

FILES = sorted((Path(__file__).parent / "data").glob("*.joblib"))
LARGEST_BYTES = 100_000
OUR_MODULES = {"classifier", "positive", "preparation"}

pytestmark = [
    # Another scikit-learn than the one that saved them.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning"),
    # They are older than the seal.
    pytest.mark.filterwarnings("ignore:.*could not be verified"),
]


def rows_of(path):
    """Return the rows beside a model, and their probabilities."""
    table = pd.read_csv(path.with_suffix(".csv"))
    return table.drop(columns="probability"), table["probability"]


def test_there_are_models_of_each_kind():
    names = {path.stem.rpartition("_")[0] for path in FILES}
    assert names == {"arrays", "ensemble", "mixed"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_probabilities_are_those_of_the_day_of_saving(path):
    model, (X, expected) = load(path), rows_of(path)
    rows = X if hasattr(model, "feature_names_in_") else X.to_numpy()
    np.testing.assert_allclose(model.predict_proba(rows)[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if not path.stem.startswith("arrays")],
    ids=lambda path: path.stem,
)
def test_files_are_scored_alike(path, tmp_path):
    out = tmp_path / "scored.csv"
    summary = score_table(load(path), path.with_suffix(".csv"), out)
    assert summary.ignored == ("probability",)
    expected = rows_of(path)[1]
    np.testing.assert_allclose(pd.read_csv(out)["probability"], expected, atol=1e-6)


class Finder(pickle.Unpickler):
    """Remembers from which modules of ours a pickle takes its classes."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.modules = set()

    def find_class(self, module, name):
        package, _, inner = module.partition(".")
        if package == "torch_binary_classifier":
            self.modules.add(inner)
        return super().find_class(module, name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_small_and_name_few_modules_of_ours(path):
    assert path.stat().st_size < LARGEST_BYTES
    finder = Finder(pickle.dumps(load(path)))
    finder.load()
    assert "classifier" in finder.modules
    assert finder.modules <= OUR_MODULES
