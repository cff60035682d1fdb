"""What scikit-learn wraps around an estimator: searches, calibration, ensembles."""

from functools import partial

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed

import builders

SCORES = [f"split{fold}_test_score" for fold in range(5)]


network = partial(builders.network, max_iter=8)
pipe = partial(builders.pipe, max_iter=8)


@pytest.fixture
def data(rng):
    pandas = pytest.importorskip("pandas")
    X = rng.normal(loc=50, scale=[1, 5, 20, 100], size=(120, 4))
    y = np.where((X[:, 0] - 50) + 0.1 * (X[:, 1] - 50) > 0, "yes", "no")
    return pandas.DataFrame(X, columns=["a", "b", "c", "d"]), y


@pytest.fixture(params=["default", "pandas"])
def estimator(request):
    return pipe().set_output(transform=request.param)


def search(**parameters):
    grid = {
        "clf__hidden_layer_sizes": [(4,), (8, 4)],
        "clf__alpha": [1e-4, 1.0],
        "clf__learning_rate_init": [0.003, 0.03],
    }
    return GridSearchCV(
        pipe(max_iter=3), grid, cv=5, scoring="neg_log_loss", error_score="raise"
    ).set_params(**parameters)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    return X, (X[:, 0] + X[:, 1] + rng.normal(size=120) > 0).astype(int)


@pytest.fixture(scope="module")
def alone(table):
    return search(n_jobs=1).fit(*table)


class TestGridSearch:
    @pytest.mark.parametrize("backend", ["loky", "threading"])
    def test_two_workers_give_the_bits_of_one(self, backend, table, alone):
        with parallel_config(backend=backend):
            together = search(n_jobs=2).fit(*table)
        for name in SCORES:
            np.testing.assert_array_equal(
                together.cv_results_[name], alone.cv_results_[name]
            )
        np.testing.assert_array_equal(
            together.predict_proba(table[0]), alone.predict_proba(table[0])
        )

    def test_candidates_differ(self, alone):
        assert len(set(alone.cv_results_["mean_test_score"])) == 8

    @pytest.mark.parametrize("backend", ["loky", "threading"])
    def test_warnings_are_errors_in_the_workers_too(self, backend, table):
        still_falling = search(n_jobs=2).set_params(
            estimator__clf__learning_rate="constant"
        )
        with (
            parallel_config(backend=backend),
            pytest.raises(ConvergenceWarning, match="max_iter=3 was reached"),
        ):
            still_falling.fit(*table)

    def test_threads_may_share_a_fitted_model(self, table, alone):
        X = table[0]
        expected = alone.predict_proba(X)
        with parallel_config(backend="threading", n_jobs=4):
            found = Parallel()(delayed(alone.predict_proba)(X) for _ in range(8))
        for proba in found:
            np.testing.assert_array_equal(proba, expected)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid", "temperature"])
def test_calibrated_classifier(estimator, data, method):
    X, y = data
    model = CalibratedClassifierCV(estimator, method=method, cv=3).fit(X, y)
    assert model.score(X, y) > 0.7
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_temperature_scaling_keeps_the_order_of_a_frozen_model(estimator, data):
    X, y = data
    estimator.fit(X, y)
    model = CalibratedClassifierCV(FrozenEstimator(estimator), method="temperature")
    calibrated = model.fit(X, y).predict_proba(X)[:, 1]
    order = np.argsort(estimator.decision_function(X))
    assert (np.diff(calibrated[order]) >= 0).all()


def test_tuned_threshold(estimator, data):
    X, y = data
    model = TunedThresholdClassifierCV(estimator, scoring="balanced_accuracy", cv=3)
    model.fit(X, y)
    assert model.score(X, y) > 0.7
    assert 0 <= model.best_threshold_ <= 1


def test_frozen_estimator_keeps_its_bits(estimator, data):
    X, y = data
    before = estimator.fit(X, y).predict_proba(X)
    frozen = clone(FrozenEstimator(estimator)).fit(X[:20], y[:20])
    np.testing.assert_array_equal(frozen.predict_proba(X), before)


def test_bagging(estimator, data):
    X, y = data
    model = BaggingClassifier(estimator, n_estimators=3, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.7
    first, second = (one.named_steps["clf"].coefs_[0] for one in model.estimators_[:2])
    assert not np.array_equal(first, second)


def test_stacking(estimator, data):
    X, y = data
    members = [("net", estimator), ("wide", pipe(hidden_layer_sizes=(32,)))]
    model = StackingClassifier(members, LogisticRegression(), cv=3).fit(X, y)
    assert model.score(X, y) > 0.7


def test_soft_voting_is_the_mean_probability(estimator, data):
    X, y = data
    members = [("net", estimator), ("wide", pipe(hidden_layer_sizes=(32,)))]
    model = VotingClassifier(members, voting="soft").fit(X, y)
    mean = np.mean([one.predict_proba(X) for one in model.estimators_], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), mean, rtol=1e-12)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
def test_cross_val_predict(estimator, data, method):
    X, y = data
    found = cross_val_predict(estimator, X, y, cv=3, method=method)
    assert len(found) == len(y)
    if method == "predict":
        assert accuracy_score(y, found) > 0.7
    else:
        assert np.isfinite(found).all()


def test_learning_curve(estimator, data):
    X, y = data
    sizes, _, scores = learning_curve(
        estimator, X, y, cv=3, train_sizes=[0.3, 1.0], shuffle=True, random_state=0
    )
    assert sizes.tolist() == [24, 80]
    assert scores[1].mean() > 0.7


def test_permutation_importance_finds_the_column(estimator, data):
    X, y = data
    estimator.fit(X, y)
    result = permutation_importance(estimator, X, y, n_repeats=3, random_state=0)
    assert result.importances_mean.argmax() == 0


def test_sequential_feature_selector(estimator, data):
    X, y = data
    selector = SequentialFeatureSelector(estimator, n_features_to_select=1, cv=2)
    selector.fit(X, y)
    assert selector.get_feature_names_out().tolist() == ["a"]


def test_pandas_output_reaches_the_network(data):
    X, y = data
    model = pipe().set_output(transform="pandas").fit(X, y)
    assert model.named_steps["clf"].feature_names_in_.tolist() == ["a", "b", "c", "d"]
    model = pipe().fit(X, y)
    assert not hasattr(model.named_steps["clf"], "feature_names_in_")


class TestMetadataRouting:
    @pytest.fixture(autouse=True)
    def routing(self):
        with config_context(enable_metadata_routing=True):
            yield

    @pytest.fixture
    def weights(self, rng):
        return rng.integers(0, 4, size=120).astype(float)

    @pytest.fixture
    def routed(self):
        model = pipe()
        model["scale"].set_fit_request(sample_weight=False)
        model["clf"].set_fit_request(sample_weight=True)
        return model

    def expected(self, X, y, weights):
        scaled = StandardScaler().fit_transform(X)
        return network().fit(scaled, y, sample_weight=weights).coefs_[0]

    def test_weights_arrive_through_a_pipeline(self, routed, data, weights):
        X, y = data
        found = routed.fit(X, y, sample_weight=weights)["clf"].coefs_[0]
        np.testing.assert_array_equal(found, self.expected(X, y, weights))
        assert not np.array_equal(found, self.expected(X, y, None))

    def test_weights_arrive_through_a_search(self, routed, data, weights):
        X, y = data
        accuracy = get_scorer("accuracy").set_score_request(sample_weight=False)
        model = GridSearchCV(
            routed,
            {"clf__alpha": [1e-4]},
            cv=3,
            scoring=accuracy,
            error_score="raise",
        )
        model.fit(X, y, sample_weight=weights)
        found = model.best_estimator_["clf"].coefs_[0]
        np.testing.assert_array_equal(found, self.expected(X, y, weights))

    def test_each_fold_gets_its_own_weights(self, routed, data):
        X, y = data
        later = np.repeat([0.0, 1.0], 60)
        folds = [(np.arange(120), np.arange(60)), (np.arange(120), np.arange(60, 120))]
        log_loss = get_scorer("neg_log_loss").set_score_request(sample_weight=False)
        options = {"cv": folds, "scoring": log_loss, "error_score": "raise"}
        search = GridSearchCV(routed, {"clf__alpha": [1e-4]}, **options)
        search.fit(X, y, sample_weight=later)
        scaled = StandardScaler().fit_transform(X)
        alone = network().fit(scaled[60:], y[60:])
        chosen = alone.predict_proba(scaled[60:])
        chosen = chosen[np.arange(60), (y[60:] == "yes").astype(int)]
        found = search.cv_results_["split1_test_score"][0]
        assert found == pytest.approx(np.log(chosen).mean(), rel=1e-12)

    def test_weights_without_a_request_are_refused(self, data, weights):
        X, y = data
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            pipe().fit(X, y, sample_weight=weights)

    def test_validation_rows_are_scaled_on_their_way(self, data):
        X, y = data
        model = Pipeline(pipe().steps, transform_input=["X_val"])
        model["clf"].set_fit_request(X_val=True, y_val=True)
        model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
        scaler = StandardScaler().fit(X[:80])
        alone = network().fit(
            scaler.transform(X[:80]),
            y[:80],
            X_val=scaler.transform(X[80:]),
            y_val=y[80:],
        )
        np.testing.assert_array_equal(model["clf"].coefs_[0], alone.coefs_[0])

    def test_requests_are_kept_by_clone(self):
        model = clone(network().set_fit_request(sample_weight=True))
        requests = model.get_metadata_routing().fit.requests
        assert requests["sample_weight"] is True
        assert requests["X_val"] is None
