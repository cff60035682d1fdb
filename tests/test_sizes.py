"""Very small and very large tables and networks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from builders import MLP, mlp

ROOT = Path(__file__).parents[1]

# Peak memory of one epoch, in MiB above that of the data, printed by a process of its
# own. The peak is of this process's memory only: getrusage's would begin at the
# parent's.
MEMORY_SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import torch

from torch_binary_classifier import TorchBinaryClassifier


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


n_rows, n_features = int(sys.argv[1]), int(sys.argv[2])
given = {"hidden_layer_sizes": (32,), "batch_size": 8192, "max_iter": 1}
given |= {"learning_rate": "cosine", "random_state": 0}
model = TorchBinaryClassifier(**MLP | given)
rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, n_features), dtype=np.float32)
model.fit(X, X[:, 0] > 0)  # whatever is allocated once
X = np.empty((n_rows, n_features), dtype=np.float32)
rng.standard_normal(out=X, dtype=np.float32)
y = X[:, 0] > 0
before = peak()
model.fit(X, y)
if "copy" in sys.argv:
    copy = X + 1
    model.fit(copy, y)
assert np.isfinite(model.loss_curve_).all()
print(peak() - before)
"""


def network(**parameters):
    given = {"max_iter": 2, "learning_rate": "cosine", "random_state": 0}
    return mlp(**given | parameters)


def table(n_rows, n_features):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "lbfgs"])
@pytest.mark.parametrize("input_norm", [None, "batch"])
def test_three_rows(solver, input_norm):
    X = np.array([[-1.0, 0.5], [0.0, -1.0], [1.0, 0.5]])
    max_iter = 200 if solver == "lbfgs" else 2
    model = network(solver=solver, input_norm=input_norm, max_iter=max_iter)
    model.fit(X, [0, 1, 1])
    assert np.isfinite(model.decision_function(X)).all()


def test_two_rows_of_one_column():
    model = network(n_members=2).fit([[-1.0], [1.0]], ["a", "b"])
    assert model.predict_proba([[0.0]]).shape == (1, 2)


def test_two_thousand_columns():
    X, y = table(300, 2000)
    model = network(max_iter=10).fit(X, y)
    assert model.coefs_[0].shape == (2000, 100)
    assert model.score(X, y) > 0.9


def test_hidden_layer_of_4096():
    X, y = table(300, 20)
    model = network(hidden_layer_sizes=(4096,), max_iter=5).fit(X, y)
    assert model.score(X, y) > 0.9


def test_many_layers():
    X, y = table(100, 5)
    model = network(hidden_layer_sizes=(8,) * 20).fit(X, y)
    assert len(model.coefs_) == 21
    assert np.isfinite(model.decision_function(X)).all()


def test_256_members():
    X, y = table(400, 10)
    model = network(hidden_layer_sizes=(32,), n_members=256, max_iter=3).fit(X, y)
    assert model.coefs_[0].shape == (256, 10, 32)
    assert model.predict_proba(X).shape == (400, 2)
    alone = network(hidden_layer_sizes=(32,), max_iter=3).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0][0], alone.coefs_[0])


def memory(*arguments):
    """Return the growth of a fit's peak memory in MiB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux's account of a process's memory")
    result = subprocess.run(
        [sys.executable, "-c", f"MLP = {MLP}\n{MEMORY_SCRIPT}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return float(result.stdout)


@pytest.mark.slow
def test_a_million_rows_are_not_copied():
    # Labels, weights and row orders cost the same for 2 columns as for 20; the tables
    # are of 8 and 80 MB.
    narrow, wide = memory(1_000_000, 2), memory(1_000_000, 20)
    assert wide - narrow < 20
    assert wide < 160


@pytest.mark.slow
def test_a_copy_would_be_noticed():
    copied = memory(1_000_000, 20, "copy")
    assert copied - memory(1_000_000, 2) > 70
