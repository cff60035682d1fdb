"""A doubtful scale is measured: told where it harms, and only there."""

from contextlib import nullcontext
from math import inf

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import mlp
from torch_binary_classifier import (
    TorchBinaryClassifier,
    UnscaledInputWarning,
    batched_fits,
    classifier,
)
from torch_binary_classifier.estimator.automatic import plan_of
from torch_binary_classifier.estimator.input_scale import measure
from torch_binary_classifier.estimator.scale_probe import (
    MOST_ROWS,
    N_REPEATS,
    Measured,
    doubtful,
    measured_harm,
)
from torch_binary_classifier.interface.problem import WeightedRows

TOLD = (
    r"worst columns: column 0 \(mean 92, deviation 5\.\d\)\. Short trainings on the "
    r"columns as they are came to a log-loss of 0\.[5-9]\d* on rows held out, on "
    r"standardised ones to 0\.[0-3]\d*\. Put a StandardScaler in front"
)


# What is told of such fits in the end.
AT_THE_PRIOR = pytest.mark.filterwarnings("ignore:The loss.*stayed where the class")


def net(**parameters):
    """Return a fit that is long enough to be worth a measurement, and ends in time."""
    given = {"max_iter": 60, "tol": 0.0, "random_state": 0}
    return mlp(**given | {"learning_rate": "cosine"} | parameters)


@pytest.fixture
def rates(rng):
    """Return heart rates beside columns on the right scale, which matter less."""
    X = rng.normal(size=(600, 4)) * [5.5, 1, 1, 1] + [92, 0, 0, 0]
    return X, (X[:, 0] + X[:, 1] > 91).astype(int)


@pytest.fixture
def probes(monkeypatch):
    """Return the problems that are measured, as a list that grows."""
    found = []
    measured = classifier._probe

    def counted(problem):
        found.append(problem)
        return measured(problem)

    monkeypatch.setattr(classifier, "_probe", counted)
    return found


@pytest.mark.parametrize(
    "model", [net(), net(early_stopping=True), TorchBinaryClassifier(encoding=None)]
)
def test_heart_rates_beside_scaled_columns_are_told(rates, model):
    with pytest.warns(UnscaledInputWarning, match=TOLD):
        clone(model).set_params(random_state=0, learning_rate="cosine").fit(*rates)


def test_a_refusal_comes_before_the_work(rates, monkeypatch):
    monkeypatch.setattr(TorchBinaryClassifier, "_train", None)
    with pytest.raises(ValueError, match=TOLD):
        net(unscaled_input="raise").fit(*rates)


@AT_THE_PRIOR
def test_the_fit_is_the_same_with_and_without(rates):
    silent = net(unscaled_input="ignore").fit(*rates)
    told = net()
    with pytest.warns(UnscaledInputWarning, match=TOLD):
        told.fit(*rates)
    for one, other in zip(silent.coefs_, told.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_table_gives_the_same_bits(rates):
    words = []
    for seed in (0, 1):
        with pytest.raises(ValueError, match=TOLD) as raised:
            net(unscaled_input="raise", random_state=seed).fit(*rates)
        words.append(str(raised.value))
    assert words[0] == words[1]


LEARNED_WELL = {
    "pixels, 0 to 16": lambda: (load_digits().data, load_digits().target % 2),
}


@pytest.mark.parametrize("kind", LEARNED_WELL)
def test_what_is_learned_well_is_measured_and_not_told(kind, probes):
    X, y = LEARNED_WELL[kind]()
    net(max_iter=200, unscaled_input="raise").fit(X, y)
    assert len(probes) == 1


@pytest.mark.parametrize("scale", ["standardised", "one-hot", "pixels, 0 to 1"])
def test_unit_scale_costs_nothing(rates, scale, probes):
    X, y = rates
    X = StandardScaler().fit_transform(X)
    if scale == "one-hot":
        X = np.c_[X, X[:, 1] > 3, X[:, 1] < 3]
    if scale == "pixels, 0 to 1":
        X, y = load_digits().data / 16, load_digits().target % 2
    net(unscaled_input="raise").fit(X, y)
    assert probes == []


@AT_THE_PRIOR
@pytest.mark.parametrize(
    "parameters",
    [
        {"unscaled_input": "ignore"},
        {"input_norm": "batch"},
        {"encoding": "piecewise", "n_bins": 4, "hidden_layer_sizes": (4,)},
    ],
)
def test_nobody_measures_what_nobody_asks_for(rates, parameters, probes):
    net(**parameters).fit(*rates)
    assert probes == []


@pytest.mark.parametrize(
    "parameters", [{"solver": "lbfgs", "max_iter": 1000, "tol": 0.1}, {"max_iter": 5}]
)
def test_where_steps_are_few_moments_decide(rates, parameters, probes):
    X, y = rates
    with pytest.warns(UnscaledInputWarning, match=r"\)\. Put a StandardScaler"):
        net(**parameters).fit(X[:, :1], y)
    assert probes == []


def test_streams_and_fits_that_go_on_are_not_measured(rates, probes):
    X, y = rates
    net(learning_rate="constant").partial_fit(X, y, classes=[0, 1])
    warm = net(warm_start=True)
    with pytest.warns(UnscaledInputWarning, match=TOLD):
        warm.fit(X, y)
    warm.fit(X, y)
    assert len(probes) == 1


@pytest.mark.parametrize("batched", [False, True])
def test_a_search_measures_once(rates, batched, probes):
    search = GridSearchCV(net(), {"alpha": [1e-4, 1e-2]}, cv=3)
    together = batched_fits() if batched else nullcontext()
    with together, pytest.warns(UnscaledInputWarning, match="Short") as told:
        search.fit(*rates)
    assert len(told) == len(probes) == 1


def test_every_fit_of_a_search_refuses_by_one_measurement(rates, probes):
    with pytest.raises(ValueError, match="Short trainings"):
        cross_val_score(net(unscaled_input="raise"), *rates, cv=3, error_score="raise")
    own = net(unscaled_input="raise")
    for one in (clone(own), clone(own)):
        with pytest.raises(ValueError, match="Short trainings"):
            one.fit(*rates)
    assert len(probes) == 2


def test_a_harmless_candidate_does_not_hide_another(rates, probes):
    pipe = make_pipeline(StandardScaler(), net())
    grid = {"standardscaler": [StandardScaler(), "passthrough"]}
    with pytest.warns(UnscaledInputWarning, match="Short trainings"):
        GridSearchCV(pipe, grid, cv=3, refit=False).fit(*rates)
    assert len(probes) == 1


# ------------------------------------------------------------------ the problem


def asked(X, y, weights=None, *, losses=None, **parameters):
    """Return what is asked of a probe about a table, and what is made of it."""
    model = net(**{"max_iter": 200} | parameters)
    model.n_features_in_ = X.shape[1]
    weights = np.ones(len(y)) if weights is None else weights
    rows = WeightedRows(X, y.astype(float), weights)
    plan = plan_of(model, rows.targets, max_iter=model.max_iter)
    problems = []

    def probe(problem):
        problems.append(problem)
        return [[1.0]] * (2 * N_REPEATS) if losses is None else losses

    found = measured_harm(
        model, rows, measure(X), plan, probe, is_watched=plan.early_stopping
    )
    return (problems[0] if problems else None), found


def test_twins_see_the_same_rows_as_they_are_and_standardised(rng):
    X = rng.normal(50, 3, size=(2000, 2))
    X = np.c_[X, X[:, 0] > 50]
    y = X[:, 0] > 49
    problem, _ = asked(X, y, weights=X[:, 1])
    given, standard = np.split(problem.rows.features, 2)
    assert len(given) == MOST_ROWS
    np.testing.assert_allclose(
        standard[:, 0], (given[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    )
    np.testing.assert_array_equal(standard[:, 2], given[:, 2])
    np.testing.assert_array_equal(problem.rows.weights[:MOST_ROWS], given[:, 1])
    np.testing.assert_array_equal(problem.rows.targets[:MOST_ROWS], given[:, 0] > 49)
    assert problem.rows.targets.mean() == pytest.approx(y.mean(), abs=0.002)
    for one, twin in zip(
        problem.splits[:N_REPEATS], problem.splits[N_REPEATS:], strict=True
    ):
        assert not set(one[0]) & set(one[1])
        assert len(set(one[0])) + len(one[1]) == MOST_ROWS
        for places, others in zip(one, twin, strict=True):
            np.testing.assert_array_equal(places + MOST_ROWS, others)
    assert problem.seeds[:N_REPEATS] == problem.seeds[N_REPEATS:]


def test_sparse_rows_and_gaps_are_measured_alike(rng):
    X = 300.0 * rng.normal(size=(300, 3)) * (rng.random((300, 3)) < 0.5)
    y = X[:, 0] > 0
    dense, _ = asked(X, y)
    sparse, _ = asked(scipy.sparse.csr_array(X), y)
    np.testing.assert_allclose(dense.rows.features, sparse.rows.features)
    X[::7, 1] = np.nan
    with_gaps, _ = asked(X, y)
    given, standard = np.split(with_gaps.rows.features, 2)
    assert np.isfinite(given).all()
    filled = np.isclose(given[:, 1], np.nanmean(X[:, 1]))
    assert filled.sum() >= len(given) // 7
    np.testing.assert_allclose(standard[filled, 1], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "share"), [(600, 1, 0.01), (600, 9000, 0.5), (15, 1, 0.5)]
)
def test_what_would_be_noise_or_too_wide_is_not_measured(rng, n_rows, n_columns, share):
    X = 1e3 * rng.normal(size=(n_rows, n_columns))
    y = np.arange(n_rows) < share * n_rows
    assert asked(X, y, max_iter=500) == (None, None)


@pytest.mark.parametrize(
    ("parameters", "is_measured"),
    [
        ({}, False),
        ({"hidden_layer_sizes": (10,)}, True),
        ({"max_iter": 4000}, True),
        ({"max_iter": 1100, "n_members": 3}, True),
        ({"max_iter": 1100}, False),
    ],
)
def test_large_networks_are_measured_only_where_the_fit_is_long(
    rng, parameters, is_measured
):
    X = 1e3 * rng.normal(size=(600, 200))
    problem, _ = asked(X, X[:, 0] > 0, **parameters)
    assert (problem is not None) == is_measured


def test_a_short_fit_is_measured_as_short(rng):
    X = 1e3 * rng.normal(size=(1000, 2))
    y = X[:, 0] > 0
    lengths = {n: asked(X, y, max_iter=n)[0].settings.max_iter for n in (20, 40, 5000)}
    assert lengths == {20: 12, 40: 25, 5000: 50}


def test_rows_held_out_by_the_fit_have_the_best_epoch_count(rng):
    X = 1e3 * rng.normal(size=(300, 2))
    y = X[:, 0] > 0
    curve = [1.0] * 10 + [0.1] + [0.4] * 19
    losses = [curve] * N_REPEATS + [[0.2] * 30] * N_REPEATS
    for parameters, given in (({}, 0.4), ({"early_stopping": True}, 0.1)):
        _, found = asked(X, y, losses=losses, **parameters)
        assert found == Measured(pytest.approx(given), pytest.approx(0.2))


def test_a_training_that_diverged_is_harmed_unless_both_did(rng):
    X = 1e3 * rng.normal(size=(300, 2))
    given = [[inf]] * N_REPEATS
    _, found = asked(X, X[:, 0] > 0, losses=given + [[0.5]] * N_REPEATS)
    assert found.harmed
    assert "as they are did not stay finite, on standardised" in found.sentence
    _, found = asked(X, X[:, 0] > 0, losses=given + given)
    assert not found.harmed


def test_values_that_overflow_are_left_to_the_fit(rng):
    X = 1e60 * rng.normal(size=(600, 2))
    y = (X[:, 0] > 0).astype(int)
    with (
        pytest.warns(UnscaledInputWarning, match=r"e\+59\)\. Put a StandardScaler"),
        pytest.raises(ValueError, match="must hold values that float32 can represent"),
    ):
        net().fit(X, y)


def test_doubtful_columns_are_those_away_from_unit_scale(rng):
    unit = rng.normal(size=1000)
    flags = (unit > 1).astype(float)
    columns = [unit, unit + 2, 6 * unit, unit / 6, flags, 0 * flags, 90 * flags]
    found = doubtful(measure(np.column_stack(columns)))
    assert found.tolist() == [False, True, True, True, False, False, True]


def test_a_table_between_0_and_1_is_not_doubtful_unless_it_is_narrow_there(rng):
    X = rng.random((100, 3)) * [1, 1, 0.01]
    assert not doubtful(measure(X)).any()
    assert doubtful(measure(X - [0, 0, 1])).tolist() == [False, False, True]
    assert doubtful(measure(X / 10)).all()
