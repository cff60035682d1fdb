"""Fitted state is replaced as a whole or not at all; scores depend on it only."""

import numpy as np
import pytest

from builders import mlp
from torch_binary_classifier.estimator import fitted_state
from torch_binary_classifier.training import run


def network(**parameters):
    given = {
        "hidden_layer_sizes": (4,),
        "max_iter": 3,
        "learning_rate": "cosine",
        "random_state": 0,
    }
    return mlp(**given | parameters)


def interrupt(*_args, **_kwargs):
    raise KeyboardInterrupt


def unfit_validation_rows(model, X, y):
    model.fit(X, y, X_val=X.iloc[:, :1], y_val=y)


def divergence(model, X, y):
    model.set_params(learning_rate_init=1e30, activation="identity", max_iter=30)
    model.set_params(batch_size=20, warm_start=False).fit(X, y)


def interrupted_training(model, X, y):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "run", interrupt)
        model.fit(X, y)


def interrupted_stream(model, X, y):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "run", interrupt)
        columns = model.feature_names_in_
        model.set_params(early_stopping=False).partial_fit(X[columns], y)


def error_in_out_of_fold_scores(model, X, y):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted_state, "out_of_fold", interrupt)
        model.fit(X, y)


def warning_at_the_end(model, X, y):
    model.set_params(learning_rate="constant", early_stopping=False).fit(X, y)


FAULTS = [
    unfit_validation_rows,
    divergence,
    interrupted_training,
    interrupted_stream,
    error_in_out_of_fold_scores,
    warning_at_the_end,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_fit_that_fails_leaves_all_as_it_was(fault, warm_start, tiny_data):
    pandas = pytest.importorskip("pandas")
    X, y = tiny_data
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = network(early_stopping=True, n_members=2, warm_start=warm_start)
    model.fit(table, y)
    scores = model.predict_proba(table)
    other = table if warm_start else table[["c", "b", "a"]]
    before = vars(model).copy()
    with pytest.raises((ValueError, KeyboardInterrupt, UserWarning)):
        fault(model, other, y)
    parameters = set(model.get_params())
    left = {name: value for name, value in before.items() if name not in parameters}
    for name, value in left.items():
        assert vars(model)[name] is value, name
    assert set(vars(model)) - parameters == set(before) - parameters
    np.testing.assert_array_equal(model.predict_proba(table), scores)


def test_a_first_fit_that_fails_leaves_nothing(tiny_data):
    model = network()
    before = vars(model).copy()
    with pytest.raises(KeyboardInterrupt):
        interrupted_training(model, *tiny_data)
    assert vars(model) == before


@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_a_stream_that_was_interrupted_goes_on(tiny_data, first):
    X, y = tiny_data
    model, expected = network(), network()
    for one in (model, expected):
        getattr(one, first)(X, y, *[[0, 1]] * (first == "partial_fit"))
    with pytest.raises(KeyboardInterrupt):
        interrupted_training(model, X, y)
    expected.partial_fit(X, y)
    np.testing.assert_array_equal(
        model.partial_fit(X, y).predict_proba(X), expected.predict_proba(X)
    )


def test_fit_forgets_what_another_kind_of_fit_has_left(tiny_data):
    X, y = tiny_data
    model = network(n_members=2, early_stopping=True, input_norm="batch").fit(X, y)
    model.set_params(n_members=1, early_stopping=False, input_norm=None).fit(X, y)
    assert set(vars(model)) == set(vars(network().fit(X, y)))


def test_what_others_have_stored_stays(tiny_data):
    model = network()
    model.remark_ = "mine"
    assert model.fit(*tiny_data).remark_ == "mine"
    assert model.fit(*tiny_data).remark_ == "mine"


@pytest.mark.parametrize("activation", ["tanh", "none of them"])
def test_predictions_depend_on_the_fit_only(activation, tiny_data):
    X, y = tiny_data
    model = network(n_members=2).fit(X, y)
    scores = model.predict_proba(X)
    model.set_params(activation=activation, n_members=3, hidden_layer_sizes=(9,))
    model.set_params(input_norm="batch", dtype="float32")
    np.testing.assert_array_equal(model.predict_proba(X), scores)
    assert model.activation_ == "relu"


STEPS = ["adam", "adamw", "sgd"]
OTHERS = [
    ("activation", "relu", "tanh"),
    *[("solver", one, other) for one in STEPS for other in STEPS if one != other],
    ("solver", "lbfgs", "adam"),
    ("dtype", "float32", "float64"),
    ("dtype", "float64", "float32"),
    ("dtype", "auto", "float32"),  # which is float64 for few rows
]


@pytest.mark.parametrize(("name", "before", "after"), OTHERS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_network_or_solver_is_refused(method, name, before, after, tiny_data):
    first = {"warm_start": True, "max_iter": 300, "tol": 0.1, name: before}
    model = network(**first).fit(*tiny_data)
    model.set_params(**{name: after}, learning_rate="cosine")
    told = "float64" if before == "auto" else before
    sentence = (
        f"^{name} must be that of the previous fit, '{told}', got '{after}'. "
        "Set warm_start=False to start anew.$"
    )
    with pytest.raises(ValueError, match=sentence):
        getattr(model, method)(*tiny_data)


@pytest.mark.parametrize("before", ["adam", "sgd"])
def test_lbfgs_goes_on_from_no_other_solver(before, tiny_data):
    model = network(warm_start=True, solver=before).fit(*tiny_data)
    with pytest.raises(ValueError, match=r"^solver must be that of the previous"):
        model.set_params(solver="lbfgs").fit(*tiny_data)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_models_saved_before_they_named_their_solver_go_on(solver, tiny_data):
    X, y = tiny_data
    model = network(solver=solver, warm_start=True).fit(X, y)
    old = network()
    old.__setstate__({k: v for k, v in vars(model).items() if k != "_solver"})
    np.testing.assert_array_equal(
        old.fit(X, y).predict_proba(X), model.fit(X, y).predict_proba(X)
    )
    with pytest.raises(ValueError, match=f"that of the previous fit, '{solver}', got"):
        old.set_params(solver="adamw").fit(X, y)


def test_a_fit_that_starts_anew_takes_any_solver_and_dtype(tiny_data):
    X, y = tiny_data
    model = network().fit(X, y).set_params(solver="sgd", dtype="float32").fit(X, y)
    expected = network(solver="sgd", dtype="float32").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize(("first", "then"), [(60, 600), (600, 60)])
def test_an_automatic_dtype_stays_that_of_the_first_fit(first, then, rng):
    X = rng.normal(size=(600, 3))
    y = (X[:, 0] > 0).astype(int)
    model = network(warm_start=True).fit(X[:first], y[:first])
    dtype = model.coefs_[0].dtype
    assert dtype == ("float64" if first == 60 else "float32")
    assert model.fit(X[:then], y[:then]).coefs_[0].dtype == dtype
    model.set_params(dtype=str(dtype)).fit(X[:then], y[:then])
    assert model.set_params(dtype="auto").partial_fit(X, y).coefs_[0].dtype == dtype
