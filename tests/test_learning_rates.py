"""Suggested learning rates, against a ladder of full fits."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, make_classification, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import network
from torch_binary_classifier import (
    TorchBinaryClassifier,
    UnscaledInputWarning,
    suggest_learning_rate,
)
from torch_binary_classifier.learning_rates import N_EPOCHS, N_REPEATS, RATES

LADDER = np.geomspace(1e-4, 1, 9)
SLACK = 0.01  # nats: what another seed changes

SETS = {
    "cancer": lambda: load_breast_cancer(return_X_y=True),
    "moons": lambda: make_moons(1000, noise=0.3, random_state=0),
    "clusters": lambda: make_classification(
        1500, 8, n_informative=5, n_clusters_per_class=3, random_state=0
    ),
}


def one_network(**given):
    """Return a classifier of one network that stops early."""
    return network(
        **{
            "hidden_layer_sizes": (32,),
            "early_stopping": True,
            "max_iter": 100,
            "learning_rate": "constant",
        }
        | given
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(
    "name",
    [
        "cancer",
        "clusters",
    ],
)
def test_full_fits_are_about_as_good_as_at_the_best_rate(name, solver):
    X, y = SETS[name]()
    X, X_new, y, y_new = train_test_split(X, y, train_size=0.5, random_state=0)
    scaler = StandardScaler().fit(X)
    X, X_new = scaler.transform(X), scaler.transform(X_new)
    clf = one_network(solver=solver)

    def loss(rate):
        fits = [
            clone(clf).set_params(learning_rate_init=rate, random_state=seed).fit(X, y)
            for seed in range(2)
        ]
        found = [log_loss(y_new, fit.predict_proba(X_new)) for fit in fits]
        return np.mean(found)

    ladder = np.sort([loss(rate) for rate in LADDER])
    found = suggest_learning_rate(X, y, clf)
    excess = loss(found.learning_rate_init) - ladder[0]
    assert excess <= max(2 * (ladder[1] - ladder[0]), SLACK)
    # The ladder tells rates apart.
    assert ladder[-1] - ladder[0] > 5 * SLACK


@pytest.fixture(scope="module")
def moons():
    """Return rows that a small network learns."""
    return make_moons(300, noise=0.2, random_state=0)


def test_suggestion_is_half_the_best_rate(moons):
    found = suggest_learning_rate(*moons, one_network(), n_epochs=4)
    assert found.rates.tolist() == list(RATES)
    assert found.losses.shape == found.rates.shape
    best = found.rates[found.losses.argmin()]
    assert found.learning_rate_init == best / 2
    assert isinstance(found.learning_rate_init, float)


def test_losses_are_those_of_fits_alone(moons):
    X, y = moons
    clf = one_network()
    found = suggest_learning_rate(X, y, clf, rates=[0.1, 0.001], random_state=3)
    assert found.rates.tolist() == [0.001, 0.1]
    seeds = np.random.RandomState(3).randint(np.iinfo(np.int32).max, size=N_REPEATS)
    for rate, loss in zip(found.rates, found.losses, strict=True):
        alone = clone(clf).set_params(
            learning_rate_init=rate,
            max_iter=N_EPOCHS,
            n_iter_no_change=np.inf,
            validation_fraction=0.2,
        )
        fits = [clone(alone).set_params(random_state=int(one)) for one in seeds]
        ends = [one.fit(X, y).validation_loss_curve_[-1] for one in fits]
        assert np.mean(ends) == pytest.approx(loss, rel=1e-12)


def test_same_seed_gives_the_same_bits(moons):
    def losses(seed, own=None):
        clf = one_network(random_state=own)
        found = suggest_learning_rate(
            *moons, clf, rates=[0.001, 0.1], random_state=seed
        )
        return found.losses

    assert np.array_equal(losses(0), losses(0))
    assert not np.array_equal(losses(0), losses(1))
    # Without one, the estimator's own counts.
    assert np.array_equal(losses(None, own=5), losses(5, own=1))


def test_estimator_stays_as_it_is(moons):
    clf = one_network()
    before = clf.get_params()
    suggest_learning_rate(*moons, clf, rates=[0.01])
    assert clf.get_params() == before
    assert not hasattr(clf, "classes_")


def test_defaults_with_weights_and_labels(moons):
    X, y = moons
    weights = np.where(X[:, 0] > 0, 1.0, 3.0)
    given = {"rates": [0.001, 0.01], "random_state": 0, "n_epochs": 2}
    found = suggest_learning_rate(X, y, **given)
    named = suggest_learning_rate(X, np.array(["no", "yes"])[y], **given)
    assert np.array_equal(found.losses, named.losses)
    weighted = suggest_learning_rate(X, y, sample_weight=weights, **given)
    assert not np.array_equal(found.losses, weighted.losses)


def test_pipeline_scales_before(moons):
    X, y = moons
    given = {"rates": [0.001, 0.1], "random_state": 0}
    pipe = make_pipeline(StandardScaler(), one_network())
    found = suggest_learning_rate(1000 * X + 5, y, pipe, **given)
    expected = suggest_learning_rate(
        StandardScaler().fit_transform(1000 * X + 5), y, one_network(), **given
    )
    assert np.array_equal(found.losses, expected.losses)
    alone = suggest_learning_rate(X, y, make_pipeline(one_network()), **given)
    assert np.isfinite(alone.losses).all()


def test_rates_that_diverge_have_an_infinite_loss(moons):
    found = suggest_learning_rate(
        *moons, one_network(solver="sgd"), rates=[0.01, 1e300], n_epochs=3
    )
    assert np.isfinite(found.losses).tolist() == [True, False]
    assert found.learning_rate_init == 0.005


def test_unscaled_input_is_told_once(moons):
    X, y = moons
    with pytest.warns(UnscaledInputWarning) as told:
        suggest_learning_rate(1e4 * X, y, one_network(), rates=[0.001, 0.01, 0.1])
    assert len(told) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        "rates", [[], [0.1, 0.0], [np.nan], [np.inf], "fast", [[0.1], [0.1, 0.2]]]
    )
    def test_rates(self, moons, rates):
        with pytest.raises(
            ValueError, match=r"^rates must be a sequence of numbers > 0, got "
        ):
            suggest_learning_rate(*moons, rates=rates)

    @pytest.mark.parametrize("n_epochs", [0, 1.5, True, "many"])
    def test_epochs(self, moons, n_epochs):
        sentence = "^n_epochs must be a whole number >= 1, got "
        with pytest.raises(ValueError, match=sentence):
            suggest_learning_rate(*moons, n_epochs=n_epochs)

    @pytest.mark.parametrize(
        "estimator", [LogisticRegression(), make_pipeline(LogisticRegression()), 0.1]
    )
    def test_estimators(self, moons, estimator):
        sentence = "^estimator must be a TorchBinaryClassifier or a Pipeline that ends"
        with pytest.raises(ValueError, match=sentence):
            suggest_learning_rate(*moons, estimator)

    def test_solver_without_a_rate(self, moons):
        sentence = (
            r"^solver must be one of \['adam', 'adamw', 'sgd'\] for "
            r"suggest_learning_rate, got 'lbfgs'\.$"
        )
        with pytest.raises(ValueError, match=sentence):
            suggest_learning_rate(*moons, TorchBinaryClassifier(solver="lbfgs"))

    def test_what_fit_refuses(self, moons):
        X, y = moons
        with pytest.raises(ValueError, match=r"^alpha must be 'auto' or a number"):
            suggest_learning_rate(X, y, one_network(alpha=-1))
        with pytest.raises(ValueError, match="scale"):
            suggest_learning_rate(1e4 * X, y, one_network(unscaled_input="raise"))
