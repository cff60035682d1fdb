"""Each finding has a training that leads to it, and to it only; the good are silent."""

import json
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from builders import mlp, network
from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.endings import warn_of_findings
from torch_binary_classifier.estimator.fit_report import (
    Ended,
    epochs_needed,
    finding,
    report_lines,
)
from torch_binary_classifier.inference.forward import FittedNetwork
from torch_binary_classifier.inference.hidden_units import unit_ranges
from torch_binary_classifier.interface.fitted import Course


def quietly(model, *given, **others):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(*given, **others)


def noise(n_rows=4000):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, 3)), rng.integers(0, 2, n_rows)


def still_falling(X, y):
    steady = {"learning_rate": "constant", "learning_rate_init": 0.005}
    return quietly(network(max_iter=8, **steady), X, y)


def diverging(X, y):
    return quietly(network(learning_rate_init=1e4, max_iter=30), X, y)


def rising(X, y):
    given = {"learning_rate": "constant", "learning_rate_init": 10.0}
    return quietly(network(solver="sgd", max_iter=30, **given), X, y)


def plateau(_X, _y):
    given = {"hidden_layer_sizes": (), "learning_rate_init": 0.003}
    return quietly(network(max_iter=20, **given), *noise())


def constant(X, y):
    return quietly(network(unscaled_input="ignore"), X * 0, y)


def worse_than_prior(X, y):
    held_out = {"X_val": X, "y_val": 1 - y}
    return quietly(network(max_iter=1), X, y, **held_out)


def dead_units(X, y):
    given = {"hidden_layer_sizes": (32, 32), "learning_rate_init": 0.3}
    return quietly(network(max_iter=100, **given), X, y)


def gap(_X, _y):
    rng = np.random.default_rng(0)
    X, X_val = rng.normal(size=(2, 60, 100))
    y, y_val = ((one[:, :8].sum(axis=1) > 0).astype(int) for one in (X, X_val))
    model = network(hidden_layer_sizes=(50,), max_iter=60)
    return quietly(model, X, y, X_val=X_val, y_val=y_val)


CASES = {
    "still_falling": still_falling,
    "diverging": diverging,
    "plateau": plateau,
    "constant": constant,
    "worse_than_prior": worse_than_prior,
    "dead_units": dead_units,
    "gap": gap,
}
WORDS = {
    "still_falling": "epochs: set max_iter=",
    "diverging": "The likely cause is learning_rate_init=10000.0: set 0.001.",
    "plateau": "raise learning_rate_init or lower alpha",
    "constant": "All rows get the same probability. Lower alpha",
    "worse_than_prior": "See whether the rows held out are like",
    "dead_units": "of the units of the hidden layers. Lower learning_rate_init",
    "gap": "Raise alpha or dropout, take fewer units",
}


@pytest.mark.parametrize("what", CASES)
def test_a_finding_comes_alone(what, tiny_data):
    model = CASES[what](*tiny_data)
    (found,) = model.fit_report_
    assert found["what"] == what
    assert WORDS[what] in found["message"]
    assert report_lines(model) == [found["message"]]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("n_epochs", [100, 200])
def test_the_epochs_named_are_about_those_it_takes(n_epochs):
    model = mlp(random_state=0, max_iter=n_epochs)
    quietly(model, *table("breast_cancer"))
    (found,) = model.fit_report_
    needed = found["figures"]["epochs_needed"]
    assert f"would settle after about {needed} epochs" in found["message"]
    model.set_params(max_iter=1000).fit(*table("breast_cancer"))
    assert 0.6 < needed / model.n_iter_ < 1.5


def test_a_steep_fall_tells_a_lower_bound(tiny_data):
    (found,) = still_falling(*tiny_data).fit_report_
    assert "would settle after more than 40 epochs" in found["message"]


@pytest.mark.parametrize("diverge", [diverging, rising])
def test_the_learning_rate_named_works(diverge, tiny_data):
    model = diverge(*tiny_data)
    rate = model.fit_report_[0]["figures"]["learning_rate_init"]
    again = model.set_params(learning_rate_init=rate, max_iter=200)
    quietly(again, *tiny_data)
    assert "diverging" not in [one["what"] for one in again.fit_report_]
    assert again.score(*tiny_data) > 0.8


def test_the_warning_names_the_epochs(tiny_data):
    model = network(max_iter=8, learning_rate="constant")
    with pytest.warns(ConvergenceWarning, match=r"That takes about \d+ epochs"):
        model.fit(*tiny_data)


def table(name):
    if name == "moons":
        X, y = datasets.make_moons(400, noise=0.25, random_state=0)
    elif name == "mixture":
        X, y = datasets.make_classification(
            1000, 20, n_informative=8, flip_y=0.1, random_state=0
        )
    else:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        y = y == 1 if name in ("wine", "iris") else y % 2
    return StandardScaler().fit_transform(X), np.asarray(y).astype(int)


HEALTHY = {
    "default": TorchBinaryClassifier(random_state=0),
    "plain": mlp(random_state=0, max_iter=1000),
    "cosine": mlp(random_state=0, max_iter=60, learning_rate="cosine"),
    "stopped": mlp(random_state=0, max_iter=500, early_stopping=True),
    "lbfgs": mlp(random_state=0, solver="lbfgs", alpha=1.0, tol=1e-2),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("breast_cancer", "default"),
        ("wine", "default"),
        ("mixture", "default"),
        ("breast_cancer", "plain"),
        ("digits", "plain"),
        ("iris", "plain"),
        ("moons", "cosine"),
        ("mixture", "cosine"),
        ("digits", "stopped"),
        ("breast_cancer", "stopped"),
        ("wine", "lbfgs"),
        ("breast_cancer", "lbfgs"),
    ],
)
def test_a_healthy_training_is_silent(name, kind):
    assert HEALTHY[kind].fit(*table(name)).fit_report_ == []


@pytest.mark.parametrize(
    ("curve", "needed"),
    [
        ([], None),
        ([1.0], None),
        ([1.0, 0.5], 4),
        ([1.0, 0.5, 0.7], None),
        (list(np.linspace(1, 0, 20)), 100),
        ([0.5] * 30, None),
    ],
)
def test_epochs_needed(curve, needed):
    assert epochs_needed(curve, 1e-4) == needed


def test_a_stream_has_no_report(tiny_data):
    X, y = tiny_data
    model = network().fit(X, y)
    assert model.fit_report_ == []
    assert not hasattr(model.partial_fit(X, y), "fit_report_")
    assert report_lines(model) == []


def test_ranges_are_those_of_the_units():
    hidden = np.array([[1.0, 0.0, -1.0]])
    member = FittedNetwork(
        [hidden, np.ones((3, 1))], [np.array([0, -1, 0.0]), np.zeros(1)], "relu"
    )
    ((layer, logit),) = unit_ranges(np.array([[0.0], [2.0]]), [member])
    np.testing.assert_array_equal(layer, [2, 0, 0])
    np.testing.assert_array_equal(logit, [2])


@pytest.mark.parametrize("encoding", [None, "mixed"])
def test_gaps_of_rows_are_no_obstacle(encoding, tiny_data):
    X, y = tiny_data
    X = X.copy()
    X[::7, 0] = np.nan
    model = network(encoding=encoding, max_iter=60).fit(X, y)
    assert model.fit_report_ == []


def test_sparse_rows_are_no_obstacle(tiny_data):
    X, y = tiny_data
    dense = network(max_iter=60).fit(X, y)
    sparse = network(max_iter=60).fit(csr_matrix(X), y)
    assert (dense.fit_report_, sparse.fit_report_) == ([], [])


def raw_and_fast(X, y):
    return network(learning_rate_init=1e4, unscaled_input="ignore"), X * [1, 1e3, 1], y


def fast(X, y):
    return network(learning_rate_init=1e4, max_iter=30), X, y


def fast_by_bins(X, y):
    model = network(learning_rate_init=1e4, encoding="piecewise", activation="identity")
    return model, X + 1e3, y


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (fast, r"learning_rate_init=10000\.0: set 0\.001\.$"),
        (raw_and_fast, r"the scale of column 1, whose .* is 1e\+03: put a Standard"),
        (fast_by_bins, r"learning_rate_init=10000\.0: set 0\.001\.$"),
    ],
)
def test_the_likelier_cause_of_a_divergence_is_named(prepare, words, tiny_data):
    model, X, y = prepare(*tiny_data)
    with pytest.warns(ConvergenceWarning, match=f"The likely cause is {words}"):
        model.fit(X, y)


def untrained(*, level=0.7, n_epochs=20, n_rows=1000, **others):
    """Return a training that ended at a loss, of rows of two equal classes."""
    prior = float(np.log(2))
    curve = [prior] * (n_epochs - 1) + [level]
    given = {"converged": True, "interrupted": False} | others
    course = Course(curve, curve, level, level, prior, n_epochs, **given)
    return Ended(course, is_watched=True, learning_rate=0.001, n_rows=n_rows)


def warned(ended, what, **figures):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_of_findings(ended, [finding(what, f"{what}.", **figures)])
    return [str(one.message) for one in told]


@pytest.mark.parametrize(
    ("what", "ended", "is_told"),
    [
        ("worse_than_prior", {"level": 0.72}, True),
        ("worse_than_prior", {"level": 0.72, "n_rows": 99}, False),
        ("worse_than_prior", {"level": 0.72, "n_epochs": 9}, True),
        ("worse_than_prior", {"level": 0.72, "n_epochs": 9, "converged": False}, False),
        ("worse_than_prior", {"level": 0.695, "n_rows": 1000}, False),
        ("worse_than_prior", {"level": 5.0, "n_epochs": 2, "n_rows": 9}, True),
        ("plateau", {"level": 0.692}, True),
        ("plateau", {"level": 0.692, "n_rows": 99}, False),
        ("plateau", {"level": 0.687, "n_rows": 10_000}, False),  # a weak signal
        ("constant", {"n_rows": 30}, True),
        ("constant", {"n_rows": 29}, False),
        ("diverging", {"level": 5.0}, True),
        ("diverging", {"level": 0.5}, False),  # the best weights are kept
        ("gap", {}, False),
        ("still_falling", {}, False),
    ],
)
def test_only_what_is_certain_is_a_warning(what, ended, is_told):
    assert warned(untrained(**ended), what) == [f"{what}."] * is_told


@pytest.mark.parametrize(("shares", "is_told"), [([0.2, 0.8], True), ([0.7], False)])
def test_a_layer_without_units_is_a_warning(shares, is_told):
    told = warned(untrained(), "dead_units", share_by_layer=shares)
    assert told == ["dead_units."] * is_told


def certain_plateau(_X, _y):
    return network(max_iter=20, hidden_layer_sizes=()), *noise()


def certain_constant(X, y):
    return network(unscaled_input="ignore"), X * 0, y


def certain_dead_units(X, y):
    given = {"hidden_layer_sizes": (32, 32), "learning_rate_init": 1.0}
    return network(max_iter=100, **given), X, y


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (certain_plateau, "stayed where the class frequencies alone"),
        (certain_constant, "All rows get the same probability"),
        (certain_dead_units, "No row moves"),
    ],
)
def test_a_training_that_went_wrong_warns(prepare, words, tiny_data):
    model, X, y = prepare(*tiny_data)
    with pytest.warns(ConvergenceWarning, match=words):
        model.fit(X, y)


def test_rows_held_out_that_are_unlike_the_others_warn():
    X, y = table("mixture")
    with pytest.warns(ConvergenceWarning, match="is above that of the class"):
        network(max_iter=20).fit(X, y, X_val=X, y_val=1 - y)


@pytest.mark.parametrize("seed", range(5))
def test_a_few_rows_of_noise_are_no_reason_to_warn(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(10, 3)), np.arange(10) % 2
    TorchBinaryClassifier(random_state=0).fit(X, y)
