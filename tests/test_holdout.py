"""A member is never judged by a row that it was trained on."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.metrics import roc_auc_score

from builders import mlp
from torch_binary_classifier.estimator.holdout import draw_holders, splits, table_digest
from torch_binary_classifier.interface.problem import WeightedRows

# There is nothing to learn from noise, and a fit says so.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The loss, .* is above that of the class"
)


def network(**parameters):
    given = {
        "hidden_layer_sizes": (16,),
        "max_iter": 30,
        "learning_rate_init": 0.02,
        "n_iter_no_change": 1000,
        "early_stopping": True,
        "warm_start": True,
    }
    return mlp(**given | parameters)


@pytest.fixture
def noise(rng):
    """Return (X, y) with nothing to learn: an honest AUC is 0.5."""
    return rng.normal(size=(200, 20)), rng.integers(0, 2, size=200)


def test_out_of_fold_scores_stay_honest(noise):
    X, y = noise
    model = network(n_members=3, random_state=np.random.RandomState(0))
    found = [model.fit(X, y).oof_decision_function_ for _ in range(6)]
    assert max(roc_auc_score(y, logits) for logits in found) < 0.65
    assert roc_auc_score(y, model.decision_function(X)) > 0.7


@pytest.mark.parametrize("n_members", [1, 3])
def test_the_held_out_rows_stay(noise, n_members):
    X, y = noise
    model = network(n_members=n_members, random_state=np.random.RandomState(0))
    before = model.fit(X, y)._held_out[0]
    model = pickle.loads(pickle.dumps(model)).set_params(random_state=7)
    np.testing.assert_array_equal(model.fit(X, y)._held_out[0], before)
    assert before.dtype == np.int8


def test_equal_tables_are_one_table(noise):
    X, y = noise
    X = X.astype(np.float32).astype(np.float64)
    model = network(n_members=3, random_state=0).fit(X, y)
    for same in (np.asfortranarray(X), X.astype(np.float32), scipy.sparse.csr_array(X)):
        model.fit(same, y)


def test_the_order_of_a_small_table_is_nothing(noise):
    X, y = (np.r_[part, part][:250] for part in noise)
    model = network(n_members=3, random_state=0).fit(X, y)
    model.set_params(warm_start=False).fit(X[::-1], y[::-1])
    reverse = model.predict_proba(X)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), reverse)


def test_a_large_table_in_another_order_is_another_one(noise):
    X, y = (np.concatenate([part] * 9) for part in noise)
    assert len(y) > 250
    model = network(n_members=3, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="got another table"):
        model.fit(X[::-1], y[::-1])


def another_row(X, y):
    return np.r_[X[:1] + 1, X[1:]], y


def more_rows(X, y):
    return np.r_[X, X[:1]], np.r_[y, y[:1]]


def other_labels(X, y):
    return X, 1 - y


def fewer_weights(X, y):
    return X, y, (np.arange(len(y)) > 0).astype(float)


@pytest.mark.parametrize(
    "change", [another_row, more_rows, other_labels, fewer_weights]
)
@pytest.mark.parametrize("n_members", [1, 3])
def test_another_table_is_refused(noise, change, n_members):
    model = network(n_members=n_members, random_state=0).fit(*noise)
    scores = model.predict_proba(noise[0])
    with pytest.raises(ValueError, match=r"^X, y and the rows .*got another table"):
        model.fit(*change(*noise))
    np.testing.assert_array_equal(model.predict_proba(noise[0]), scores)
    model.set_params(warm_start=False).fit(*change(*noise))


def without_early_stopping(model, X, y):
    model.set_params(early_stopping=False).fit(X, y)


def with_given_rows(model, X, y):
    model.fit(X, y, X_val=X, y_val=y)


def by_partial_fit(model, X, y):
    model.set_params(early_stopping=False).partial_fit(X, y, classes=[0, 1])


def without_warm_start(model, X, y):
    model.set_params(warm_start=False).fit(X, y)


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "past",
    [without_early_stopping, with_given_rows, by_partial_fit, without_warm_start],
)
@pytest.mark.parametrize("first", [True, False])
def test_rows_of_an_unknown_past_are_refused(noise, past, first):
    model = network(random_state=0)
    if not first:
        model.fit(*noise)
    past(model, *noise)
    model.set_params(early_stopping=True, warm_start=True)
    sentence = "^early_stopping must be False with warm_start=True after a fit that"
    with pytest.raises(ValueError, match=sentence):
        model.fit(*noise)
    X, y = noise
    model.fit(X, y, X_val=X, y_val=y)
    model.set_params(early_stopping=False).fit(X, y)


def test_a_cold_fit_keeps_no_record(noise):
    assert not hasattr(network(warm_start=False).fit(*noise), "_held_out")


@pytest.mark.parametrize("n_members", [1, 4])
def test_splits_are_what_the_holders_say(n_members):
    targets = np.repeat([0.0, 1.0], [60, 40])
    holders = draw_holders(
        targets, n_members=n_members, validation_fraction=0.25, seed=0
    )
    for train, held_out in splits(holders, n_members):
        assert len(held_out) == 25
        assert targets[held_out].mean() == 0.4
        np.testing.assert_array_equal(np.sort(np.r_[train, held_out]), np.arange(100))


def digest(X, y, places):
    return table_digest(WeightedRows(X, y, np.ones(len(y))), places)


def test_table_digest_tells_tables_apart(rng, monkeypatch):
    monkeypatch.setattr(
        "torch_binary_classifier.estimator.holdout.DIGEST_ELEMENTS", 8
    )  # several pieces
    X, y, places = rng.normal(size=(10, 3)), np.ones(10), np.arange(10)
    X[0] = 0.0
    others = [
        (X[::-1], y, places),
        (X.reshape(15, 2), y, places),
        (X, 1 - y, places),
        (X, y, places + 1),
    ]
    digests = {digest(*table) for table in [(X, y, places), *others]}
    assert len(digests) == 5
    minus = np.where(X == 0, -0.0, X)
    assert digest(minus, y, places) == digest(X, y, places)
