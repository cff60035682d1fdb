"""The parameters with which a fit does what MLPClassifier's defaults do."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
from benchmarks import contestants
from sklearn.neural_network import MLPClassifier

from builders import MLP, mlp
from torch_binary_classifier import TorchBinaryClassifier

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
# Where Adam adds its epsilon differs; without it both take the same steps.
SOON = {"max_iter": 12, "shuffle": False, "random_state": 0, "epsilon": 1e-18}
OTHERS = {
    "hidden_layer_sizes": (99,),
    "activation": "tanh",
    "alpha": 0.1,
    "batch_size": 100,
    "learning_rate_init": 0.002,
    "early_stopping": True,
    "dropout": 0.1,
    "encoding": "piecewise",
    "input_factors": True,
    "weight_average": 0.9,
    "n_members": 2,
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_iter=:sklearn.exceptions.ConvergenceWarning",
    "ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning",
)


def make_rows(n_rows):
    """Return standardised rows and labels that follow two of the columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 4))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, (X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n_rows) > 0).astype(int)


def first_weights(X, y):
    """Return the weights and biases that a fit starts from: it takes no real step."""
    given = {"max_iter": 1, "learning_rate_init": 1e-35, "dtype": "float64"}
    model = mlp(**SOON | given).fit(X, y)
    return list(zip(model.coefs_, model.intercepts_, strict=True))


@pytest.fixture
def theirs(monkeypatch):
    """Return how MLPClassifier's defaults fit rows from the weights that we draw."""

    def fit(X, y, **given):
        start = iter(first_weights(X, y))
        monkeypatch.setattr(
            MLPClassifier, "_init_coef", lambda *_: [one.copy() for one in next(start)]
        )
        return MLPClassifier(**SOON | given).fit(X, y)

    return fit


def difference(model, other, X):
    """Return the largest difference of a probability."""
    return np.abs(model.predict_proba(X) - other.predict_proba(X)).max()


@pytest.mark.parametrize("n_rows", [60, 450])
def test_fits_like_mlp_classifier(n_rows, theirs):
    X, y = make_rows(n_rows)
    model, expected = mlp(**SOON, dtype="float64").fit(X, y), theirs(X, y)
    assert difference(model, expected, X) < 1e-10
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_parameter_fits_otherwise(name, theirs):
    X, y = make_rows(450)
    model = mlp(**SOON | {name: OTHERS[name]}, dtype="float64").fit(X, y)
    assert difference(model, theirs(X, y), X) > 1e-6


def test_stops_when_mlp_classifier_does(theirs):
    X, y = make_rows(60)
    given = {"max_iter": 60, "tol": 10.0}
    n_epochs = theirs(X, y, **given).n_iter_
    assert mlp(**SOON | given).fit(X, y).n_iter_ == n_epochs == 12
    more = {"n_iter_no_change": 11}
    assert mlp(**SOON | given | more).fit(X, y).n_iter_ == 13


def test_every_parameter_that_is_automatic_is_among_them():
    parameters = inspect.signature(TorchBinaryClassifier).parameters.values()
    automatic = {one.name for one in parameters if one.default == "auto"}
    # Without bins their number is nothing; dtype and device are not MLPClassifier's.
    assert automatic - {"n_bins", "dtype", "device"} <= set(MLP)


def test_those_that_mlp_classifier_has_are_its_defaults():
    defaults = MLPClassifier().get_params() | {"batch_size": 200}
    shared = set(MLP) & set(defaults)
    assert len(shared) == 7
    assert {name: MLP[name] for name in shared} == {
        name: defaults[name] for name in shared
    }


def test_the_readme_names_them():
    start = README.index("mlp = {") + len("mlp = ")
    assert ast.literal_eval(README[start : README.index("}", start) + 1]) == MLP


def test_the_benchmarks_compare_by_them():
    assert contestants.MLP == MLP
