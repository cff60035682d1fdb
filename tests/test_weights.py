"""Row weights and class weights: what counts as how many rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from tests.builders import network

BALANCED = {"class_weight": "balanced"}


def logistic_regression(**parameters):
    """Return a network that is a logistic regression, trained to the minimum."""
    given = {"hidden_layer_sizes": (), "solver": "lbfgs", "max_iter": 500, "tol": 1e-9}
    return network(**given | {"alpha": 1.0} | parameters)


def assert_same_scores(first, second, X, **tolerance):
    np.testing.assert_allclose(
        first.decision_function(X), second.decision_function(X), **tolerance
    )


@pytest.fixture
def skewed(tiny_data):
    """Return (X, y, times): weights that make the table 90 % of one class."""
    X, y = tiny_data
    return X, y, np.where(y == 0, 9, 1)


class TestBalanced:
    def test_weights_are_repeated_rows(self, skewed):
        X, y, times = skewed
        model = logistic_regression(**BALANCED)
        found = clone(model).fit(X, y, sample_weight=times)
        repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
        assert_same_scores(found, repeated, X, rtol=1e-4)
        # A negative control: the weights of classes counted by rows.
        by_row = len(y) / (2 * np.bincount(y))
        wrong = clone(model).set_params(class_weight=dict(enumerate(by_row)))
        wrong.fit(X, y, sample_weight=times)
        assert not np.allclose(
            found.decision_function(X), wrong.decision_function(X), atol=0.1
        )

    def test_is_scikit_learns(self, skewed):
        X, y, times = skewed
        ours = logistic_regression(**BALANCED).fit(X, y, sample_weight=times)
        theirs = LogisticRegression(**BALANCED, C=1.0, tol=1e-9)
        theirs.fit(X, y, sample_weight=times)
        assert_same_scores(ours, theirs, X, rtol=1e-3)

    def test_rows_of_weight_0_do_not_count(self, tiny_data):
        X, y = tiny_data
        kept = (y == 1) | (np.arange(60) % 3 == 0)
        found = network(**BALANCED).fit(X, y, sample_weight=kept.astype(float))
        expected = network(**BALANCED).fit(X[kept], y[kept])
        assert_same_scores(found, expected, X, rtol=0)

    @pytest.mark.parametrize("rows", ["both classes", "one class"])
    def test_validation_rows_have_the_weights_of_training(self, skewed, rows):
        X, y, times = skewed
        chosen = np.arange(60) % 4 > 0 if rows == "both classes" else y == 1
        given = {"X_val": X[chosen], "y_val": y[chosen]}
        found = network(**BALANCED).fit(X, y, times, **given)
        weights = times.sum() / (2 * np.bincount(y, weights=times))
        by_hand = network(class_weight=dict(enumerate(weights)))
        by_hand.fit(X, y, times, **given)
        assert found.validation_loss_curve_ == by_hand.validation_loss_curve_

    def test_is_refused_for_batches(self, tiny_data):
        with pytest.raises(ValueError, match=r"for partial_fit, got 'balanced'.*Pass"):
            network(**BALANCED).partial_fit(*tiny_data, classes=[0, 1])


class TestDict:
    def test_a_label_left_out_has_weight_1(self, tiny_data):
        X, y = tiny_data
        found = network(class_weight={1: 5}).fit(X, y)
        assert_same_scores(
            found, network(class_weight={0: 1, 1: 5}).fit(X, y), X, rtol=0
        )
        assert_same_scores(
            network(class_weight={}).fit(X, y), network().fit(X, y), X, rtol=0
        )

    @pytest.mark.parametrize("label", [0, 1])
    @pytest.mark.parametrize("class_weight", [{1: 5}, {0: 2}, {0: 2, 1: 5}])
    def test_batches_of_one_class(self, tiny_data, label, class_weight):
        X, y = tiny_data
        X, y = X[y == label], y[y == label]
        model = network(class_weight=class_weight, batch_size=1000)
        model.partial_fit(X, y, classes=[0, 1])
        expected = network(batch_size=1000, class_weight=None)
        weights = np.full(len(y), float(class_weight.get(label, 1)))
        expected.partial_fit(X, y, classes=[0, 1], sample_weight=weights)
        assert_same_scores(model, expected, X, rtol=0)

    @pytest.mark.parametrize("label", [0, 1])
    def test_validation_rows_of_one_class(self, tiny_data, label):
        X, y = tiny_data
        rows = y == label
        model = network(class_weight={1: 5})
        model.fit(X, y, X_val=X[rows], y_val=y[rows])
        assert np.isfinite(model.validation_loss_curve_).all()

    @pytest.mark.parametrize("labels", [(1.0, 2.0), ("no", "yes"), (False, True)])
    def test_labels_of_any_kind(self, tiny_data, labels):
        X, y = tiny_data
        named = np.array(labels)[y]
        found = network(class_weight={labels[1]: 5}).fit(X, named)
        assert_same_scores(found, network(class_weight={1: 5}).fit(X, y), X, rtol=0)

    def test_no_weight_for_a_class(self, tiny_data):
        X, y = tiny_data
        model = network(class_weight={0: 1, 1: 0})
        with pytest.raises(ValueError, match=r"2 classes .* class_weight gives 1 none"):
            model.fit(X, y)
        ones = y == 1
        with pytest.raises(ValueError, match=r"a class .* class_weight gives 1 none"):
            model.partial_fit(X[ones], y[ones], classes=[0, 1])
        model.partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize("value", [1e3, 1e300])
def test_validation_rows_of_weight_0_are_left_out(tiny_data, value):
    X, y = tiny_data
    model = network(dtype="float32")
    found = clone(model).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    model.fit(
        X[:40],
        y[:40],
        X_val=np.vstack([X[40:], np.full((20, 3), value)]),
        y_val=np.tile(y[40:], 2),
        sample_weight_val=np.repeat([1.0, 0.0], 20),
    )
    assert model.validation_loss_curve_ == found.validation_loss_curve_
    assert_same_scores(model, found, X, rtol=0)


class TestUnit:
    """Without a penalty only the weights' ratios matter."""

    @pytest.fixture
    def weighted(self, tiny_data, rng):
        return *tiny_data, rng.uniform(0.5, 2, size=60)

    @pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
    @pytest.mark.parametrize("exponent", [-1000, -140, 3, 1000])
    def test_a_power_of_two_keeps_the_bits(self, weighted, solver, exponent):
        X, y, weights = weighted
        model = network(solver=solver, alpha=0.0, batch_size=16)
        model.set_params(max_iter=200 if solver == "lbfgs" else 5, tol=0.01)
        found = clone(model).fit(X, y, np.ldexp(weights, exponent))
        assert_same_scores(found, model.fit(X, y, weights), X, rtol=0)

    @pytest.mark.parametrize("unit", [1e-310, 1e-46, 3.0, 1e306])
    def test_another_unit_keeps_the_model(self, weighted, unit):
        X, y, weights = weighted
        model = network(alpha=0.0, batch_size=16, dtype="float64", **BALANCED)
        found = clone(model).fit(X, y, unit * weights)
        assert_same_scores(found, model.fit(X, y, weights), X, rtol=1e-6)

    def test_weights_without_a_sum(self, tiny_data):
        X, y = tiny_data
        sentence = "^sample_weight, times class_weight, must have a sum that float64"
        with pytest.raises(ValueError, match=sentence):
            network().fit(X, y, np.full(60, 1e307))
        with pytest.raises(ValueError, match=sentence):
            network(class_weight={0: 1e10, 1: 1e10}).fit(X, y, np.full(60, 1e300))
        with pytest.raises(ValueError, match=r"^sample_weight_val, times class_w"):
            network().fit(X, y, None, X_val=X, y_val=y, sample_weight_val=[1e307] * 60)

    @pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
    def test_weights_that_vanish_beside_the_penalty(self, tiny_data, solver):
        X, y = tiny_data
        model = network(solver=solver, alpha=1e-4, dtype="float32")
        with pytest.raises(ValueError, match=r"^alpha divided by the mean weight of"):
            model.fit(X, y, np.full(60, 1e-46))
