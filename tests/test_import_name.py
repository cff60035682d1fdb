"""A user's own module named pipeline and the package do not meet."""

import subprocess
import sys
from pathlib import Path

from builders import MLP

ROOT = Path(__file__).resolve().parents[1]
TRAIN = """
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from pipeline import OURS
from torch_binary_classifier import TorchBinaryClassifier, save

X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
model = make_pipeline(StandardScaler(), TorchBinaryClassifier(**MLP, max_iter=5))
save(model.fit(X, X["a"] > 0), "model.joblib")
np.savetxt("scores.txt", model.predict_proba(X)[:, 1])
X.to_csv("rows.csv", index=False)
"""
LOAD = """
import joblib, numpy as np, pandas as pd
import pipeline
assert pipeline.OURS == 1
X = pd.read_csv("rows.csv")
scores = joblib.load("model.joblib").predict_proba(X)[:, 1]
assert np.allclose(scores, np.loadtxt("scores.txt"), atol=1e-7)
"""
CHECKOUT = """
import sys
# Neither an installed package nor a path to it: the folder alone.
sys.path[:] = [".", *(p for p in sys.path if not p.endswith("pipeline"))]
import importlib.util
assert importlib.util.find_spec("torch_binary_classifier") is None
from pipeline import TorchBinaryClassifier
import torch_binary_classifier
assert TorchBinaryClassifier is torch_binary_classifier.TorchBinaryClassifier
assert TorchBinaryClassifier.__module__ == "torch_binary_classifier.classifier"
"""


def run(folder: Path, *arguments: str) -> str:
    """Run Python in a folder and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_module_of_that_name_beside_the_script(tmp_path):
    (tmp_path / "pipeline.py").write_text("OURS = 1\n")
    run(tmp_path, "-c", f"MLP = {MLP}\n{TRAIN}")
    run(tmp_path, "-c", LOAD)
    told = run(
        tmp_path,
        *["-m", "torch_binary_classifier", "score", "model.joblib", "rows.csv"],
        *["--out", "out.csv"],
    )
    assert "60 rows" in told
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 61


def test_checkout_has_the_names_under_pipeline():
    run(ROOT, "-c", CHECKOUT)
