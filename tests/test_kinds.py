"""Several kinds of networks in one fit: plain ones and ones that see bins."""

from __future__ import annotations

import io
import itertools
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from torch_binary_classifier import TorchBinaryClassifier, batched_fits
from torch_binary_classifier.estimator.kinds import networks
from torch_binary_classifier.inference.forward import member_logits

SOON = {"n_members": 3, "max_iter": 6, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    """Return 300 standardised rows, some of which are labelled wrongly."""
    X, y = make_classification(300, 6, flip_y=0.2, random_state=0)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def mixed(table):
    """Return a fit of two kinds, of three networks each."""
    return TorchBinaryClassifier(encoding="mixed", **SOON).fit(*table)


def kinds_alone(table, **given):
    """Return each kind fitted for itself."""
    return [
        TorchBinaryClassifier(encoding=encoding, **SOON | given).fit(*table)
        for encoding in (None, "piecewise")
    ]


def test_both_kinds_are_there(mixed, table):
    plain, piecewise = mixed.kinds_
    assert not hasattr(mixed, "coefs_")
    assert [one["encoding_"] is None for one in mixed.kinds_] == [True, False]
    assert plain["coefs_"][0].shape == (3, 6, 100)
    assert piecewise["coefs_"][0].shape == (3, 6 * 17, 64)
    assert (plain["activation_"], piecewise["activation_"]) == ("relu", "silu")
    assert len(member_logits(table[0], networks(mixed))) == 6


def test_the_first_kind_is_the_one_that_it_is_alone(mixed, table):
    plain, piecewise = kinds_alone(table)
    np.testing.assert_array_equal(mixed.kinds_[0]["coefs_"][0], plain.coefs_[0])
    # The second one has seeds of its own.
    shape = piecewise.coefs_[0].shape
    assert mixed.kinds_[1]["coefs_"][0].shape == shape
    assert not np.array_equal(mixed.kinds_[1]["coefs_"][0], piecewise.coefs_[0])


def test_given_values_hold_for_both_kinds(table):
    given = {"hidden_layer_sizes": (5, 4), "activation": "tanh", "dropout": 0.1}
    model = TorchBinaryClassifier(encoding="mixed", **SOON | given).fit(*table)
    assert {kind["activation_"] for kind in model.kinds_} == {"tanh"}
    assert {kind["coefs_"][1].shape for kind in model.kinds_} == {(3, 5, 4)}


def test_weights_are_not_negative_and_sum_to_1(mixed):
    weights = mixed.member_weights_
    assert weights.shape == (6,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert len(set(weights[:3])) == len(set(weights[3:])) == 1


def test_probabilities_are_averaged_by_the_weights(mixed, table):
    each = expit(member_logits(table[0], networks(mixed)))
    expected = mixed.member_weights_ @ each
    np.testing.assert_allclose(mixed.predict_proba(table[0])[:, 1], expected, 1e-12)
    assert not np.allclose(each.mean(axis=0), expected, 1e-6)


def test_weights_are_the_best_for_the_rows_held_out(mixed, table):
    X, y = table
    held_out = mixed.oof_decision_function_
    assert held_out.shape == y.shape
    by_kind = np.zeros((2, len(y)))
    folds = held_out_by(mixed, table)
    for kind in range(2):
        members = networks(mixed)[3 * kind : 3 * kind + 3]
        logits = member_logits(X, members)
        by_kind[kind] = logits[folds, np.arange(len(y))]
    weights = 3 * mixed.member_weights_[[0, 3]]
    np.testing.assert_allclose(held_out, logit(weights @ expit(by_kind)), 1e-9)
    grid = np.linspace(0, 1, 101)
    losses = [
        log_loss(y, np.array([one, 1 - one]) @ expit(by_kind))
        - 2 / len(y) * np.log(max(one * (1 - one), 1e-12))
        for one in grid
    ]
    assert weights[0] == pytest.approx(grid[np.argmin(losses)], abs=0.011)


def held_out_by(model, table):
    """Return which of three members held each row out: the draw is that of a fit."""
    again = clone(model).set_params(warm_start=True).fit(*table)
    holders, _ = again._held_out
    assert len(holders) == len(table[1])
    return holders.astype(int)


def test_rows_to_watch_weigh_the_kinds(table):
    X, y = table
    signal, noise = (X[:200], y[:200]), (X[200:], y[200:])
    model = TorchBinaryClassifier(encoding="mixed", **SOON)
    model.fit(*signal, X_val=noise[0], y_val=noise[1])
    assert not hasattr(model, "oof_decision_function_")
    assert model.member_weights_[0] != model.member_weights_[3]
    assert model.member_weights_.sum() == pytest.approx(1)


def test_without_rows_held_out_all_weigh_the_same(table):
    model = TorchBinaryClassifier(encoding="mixed", early_stopping=False, **SOON)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*table)
    assert set(model.member_weights_) == {1 / 6}


def test_a_saved_model_scores_the_same(mixed, table):
    file = io.BytesIO()
    joblib.dump(mixed, file)
    file.seek(0)
    loaded = joblib.load(file)
    expected = mixed.decision_function(table[0])
    np.testing.assert_array_equal(loaded.decision_function(table[0]), expected)


def test_rows_have_the_bits_that_they_have_alone(mixed, table):
    whole = mixed.decision_function(table[0])
    alone = [mixed.decision_function(row[None])[0] for row in table[0][:20]]
    np.testing.assert_array_equal(whole[:20], alone)


def test_sparse_rows_train_the_same_networks(mixed, table):
    sparse = clone(mixed).fit(scipy.sparse.csr_array(table[0]), table[1])
    expected = mixed.decision_function(table[0])
    np.testing.assert_allclose(sparse.decision_function(table[0]), expected, 1e-5)


@pytest.mark.parametrize("backend", [None, "loky"])
def test_a_search_of_many_trains_the_same_bits(table, backend):
    model = make_pipeline(StandardScaler(), TorchBinaryClassifier(**SOON))
    grid = {"torchbinaryclassifier__encoding": ["mixed", None, "auto", "piecewise"]}
    search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss")
    plain = clone(search).fit(*table)
    with batched_fits(backend=backend):
        together = clone(search).fit(*table)
    for split in ("split0_test_score", "split1_test_score"):
        found, expected = together.cv_results_[split], plain.cv_results_[split]
        np.testing.assert_array_equal(found, expected)
    assert len(set(plain.cv_results_["mean_test_score"])) == 3  # "auto" is "mixed"


class TestGoingOn:
    """A fit that goes on trains every kind further."""

    def test_warm_start(self, table):
        model = TorchBinaryClassifier(
            encoding="mixed", warm_start=True, **SOON | {"max_iter": 2}
        ).fit(*table)
        before = [kind["coefs_"][0].copy() for kind in model.kinds_]
        first = model.validation_loss_curve_.copy()
        model.fit(*table)
        assert len(model.validation_loss_curve_) == 4
        assert model.validation_loss_curve_[:2] == first
        for kind, coef in zip(model.kinds_, before, strict=True):
            assert not np.array_equal(kind["coefs_"][0], coef)

    def test_automatic_values_are_those_of_the_first_fit(self, table):
        model = TorchBinaryClassifier(
            encoding="mixed", warm_start=True, **SOON | {"max_iter": 2}
        ).fit(*table)
        model.set_params(encoding="auto", n_members="auto").fit(*table)
        assert [kind["coefs_"][0].shape for kind in model.kinds_] == [
            (3, 6, 100),
            (3, 6 * 17, 64),
        ]

    @pytest.mark.parametrize(
        ("name", "value", "was"),
        [
            ("encoding", None, "'mixed'"),
            ("encoding", "piecewise", "'mixed'"),
            ("activation", "tanh", "'auto'"),
            ("n_members", 4, "3"),
            ("hidden_layer_sizes", (64,), r"\(100,\)"),
        ],
    )
    def test_other_networks_are_refused(self, table, name, value, was):
        model = TorchBinaryClassifier(
            encoding="mixed", warm_start=True, **SOON | {"max_iter": 1}
        ).fit(*table)
        model.set_params(**{name: value})
        with pytest.raises(ValueError, match=rf"{name}.* previous fit.*{was}"):
            model.fit(*table)

    def test_a_stream_goes_on_from_a_fit(self, mixed, table):
        model = clone(mixed).set_params(warm_start=True, encoding="auto")
        model.fit(*table)
        before, weights = model.decision_function(table[0]), model.member_weights_
        model.partial_fit(*table)
        assert not np.array_equal(model.decision_function(table[0]), before)
        np.testing.assert_array_equal(model.member_weights_, weights)
        assert not hasattr(model, "oof_decision_function_")

    def test_a_stream_begins_with_one_plain_network(self, table):
        model = TorchBinaryClassifier(random_state=0)
        model.partial_fit(*table, classes=[0, 1])
        assert [coef.shape for coef in model.coefs_] == [(6, 100), (100, 1)]
        assert model.encoding_ is None

    @pytest.mark.parametrize("encoding", ["mixed", "piecewise"])
    def test_a_stream_cannot_begin_with_bins(self, table, encoding):
        model = TorchBinaryClassifier(encoding=encoding)
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError) as refusal:
            model.partial_fit(*table, classes=[0, 1])
        assert "encoding must be None or 'auto' for" in str(refusal.value.__cause__)


@pytest.fixture
def interrupted_in(monkeypatch):
    """Return a function that has the user interrupt the n-th kind's training."""
    from torch_binary_classifier.training import fitting

    train = fitting.train_members

    def interrupt(number):
        count = itertools.count()

        def trained(problem, trainer):
            found = train(problem, trainer)
            interrupted = next(count) == number
            return replace(found, course=replace(found.course, interrupted=interrupted))

        monkeypatch.setattr(fitting, "train_members", trained)

    return interrupt


def test_an_interruption_keeps_the_kind_that_there_is(table, interrupted_in):
    interrupted_in(0)
    model = TorchBinaryClassifier(encoding="mixed", **SOON)
    with pytest.warns(UserWarning, match="Training was interrupted after"):
        model.fit(*table)
    assert not hasattr(model, "kinds_")
    assert model.coefs_[0].shape == (3, 6, 100)
    assert set(model.member_weights_) == {1 / 3}
    assert model.predict_proba(table[0]).shape == (300, 2)


def test_an_interruption_leaves_the_other_kind_as_it_was(table, interrupted_in):
    model = TorchBinaryClassifier(encoding="mixed", warm_start=True, **SOON)
    model.fit(*table)
    before = [kind["coefs_"][0] for kind in model.kinds_]
    interrupted_in(0)
    with pytest.warns(UserWarning, match="Training was interrupted after"):
        model.fit(*table)
    after = [kind["coefs_"][0] for kind in model.kinds_]
    assert not np.array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1], after[1])
