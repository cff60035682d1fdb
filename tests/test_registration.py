"""joblib knows the backend "batched", whatever of the package came first."""

import subprocess
import sys

import joblib
import pytest

from builders import MLP
from torch_binary_classifier import TorchBinaryClassifier

FIRST = [
    "from torch_binary_classifier import TorchBinaryClassifier",
    "from torch_binary_classifier import save",
    "from torch_binary_classifier import ModelFileError",
    "from torch_binary_classifier.classifier import TorchBinaryClassifier",
    "import torch_binary_classifier.assembly",
    "from torch_binary_classifier.search.backend import batched_fits",
    "import joblib; joblib.load('model.joblib')",
]
KNOWN = "from joblib.parallel import BACKENDS; assert 'batched' in BACKENDS"
SEARCH = """
import joblib, numpy as np
from sklearn.model_selection import GridSearchCV
from torch_binary_classifier.classifier import TorchBinaryClassifier
model = TorchBinaryClassifier(
    (), encoding=None, n_members=2, alpha=0.1, random_state=0
)
X = np.random.default_rng(0).normal(size=(40, 2))
with joblib.parallel_config(backend="batched"):
    GridSearchCV(model, {"alpha": [0, 1]}, cv=2).fit(X, X[:, 0] > 0)
"""


def errors(source, folder):
    """Return what a fresh interpreter complains about."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


@pytest.mark.parametrize("first", FIRST)
def test_the_backend_is_known_whatever_was_imported_first(first, tmp_path):
    joblib.dump(TorchBinaryClassifier(), tmp_path / "model.joblib")
    assert errors(f"{first}\n{KNOWN}", tmp_path) == ""


def test_without_the_package_it_is_not(tmp_path):
    assert "AssertionError" in errors(KNOWN, tmp_path)


def test_a_search_runs_on_it(tmp_path):
    assert errors(f"MLP = {MLP}\n{SEARCH}", tmp_path) == ""


def test_the_package_alone_brings_neither_numpy_nor_joblib(tmp_path):
    source = (
        "import sys, torch_binary_classifier; "
        "assert not {'joblib', 'numpy'} & set(sys.modules)"
    )
    assert errors(source, tmp_path) == ""
