"""The shift to the true prior and the temperature, by themselves and in fits."""

import io

import joblib
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from builders import network
from torch_binary_classifier import (
    TorchBinaryClassifier,
    batched_fits,
    export_onnx,
    load,
    save,
)
from torch_binary_classifier.estimator.calibration import (
    HIGHEST,
    LOWEST,
    SPREAD,
    best_temperature,
    prior_shift,
)

SOON = {"n_members": 3, "max_iter": 8, "random_state": 0}
WEIGHTED = {"class_weight": {0: 0.5, 1: 8.0}}
CORRECTED = WEIGHTED | {"prior_correction": True}
EVERYTHING = CORRECTED | {"calibrate": True}
SCORES = ("decision_function", "predict_proba", "predict_log_proba", "predict")


@pytest.fixture(scope="module")
def rare():
    """Return training and test rows of one table, a tenth of them positive."""
    X, y = make_classification(
        4000, 8, n_informative=4, weights=[0.9], flip_y=0.02, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    return X[:1000], X[1000:], y[:1000], y[1000:]


@pytest.fixture(scope="module")
def fits(rare):
    """Return default fits of few members, by what was done about the rare class."""
    X, _, y, _ = rare
    ways = {
        "plain": {},
        "weighted": WEIGHTED,
        "corrected": CORRECTED,
        "calibrated": {"calibrate": True},
        "everything": EVERYTHING,
    }
    return {
        name: TorchBinaryClassifier(**SOON, **given).fit(X, y)
        for name, given in ways.items()
    }


def unreliability(y, probability):
    """Return how far ten bins' mean probabilities are from their frequencies."""
    parts = np.array_split(np.argsort(probability), 10)
    apart = [abs(probability[part].mean() - y[part].mean()) for part in parts]
    return float(np.mean(apart))


class TestPriorShift:
    def test_weights_that_undo_it_give_the_same_odds(self):
        """A table's posterior odds, weighted, are its odds times w1 / w0."""
        counts = np.array([900.0, 100.0])
        weights = np.array([0.3, 7.0])
        true, changed = (
            logit(some[1] / some.sum()) for some in (counts, counts * weights)
        )
        assert true == pytest.approx(changed + prior_shift(weights))
        assert prior_shift(np.ones(2)) == 0

    def test_weights_of_all_sizes(self):
        assert np.isfinite(prior_shift(np.array([1e-300, 1e300])))


class TestBestTemperature:
    @pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
    @pytest.mark.parametrize("centre", [0.0, -2.0])
    def test_finds_the_temperature_that_was_put_in(self, rng, temperature, centre):
        truth = rng.normal(centre, 2, size=40_000)
        y = (rng.random(truth.size) < expit(truth)).astype(float)
        given = centre + (truth - centre) * temperature
        found = best_temperature(given, y, np.ones(y.size), centre=centre)
        assert found == pytest.approx(temperature, rel=0.05)

    def test_is_the_minimum_of_the_weighted_log_loss_and_of_what_is_known(self, rng):
        logits = rng.normal(size=5000) * 3
        y = (rng.random(5000) < expit(logits / 2)).astype(float)
        weights = rng.uniform(0.1, 3, size=5000)

        def loss(temperature):
            found = log_loss(y, expit(logits / temperature), sample_weight=weights)
            n_rows = weights.sum() ** 2 / (weights**2).sum()
            return found + (1 / temperature - 1) ** 2 / (2 * SPREAD**2 * n_rows)

        found = best_temperature(logits, y, weights)
        best = minimize_scalar(loss, bounds=(0.1, 10), method="bounded")
        assert loss(found) == pytest.approx(best.fun, abs=1e-9)
        unweighted = best_temperature(logits, y, np.ones(5000))
        assert loss(unweighted) > best.fun
        assert found != unweighted

    def test_weights_have_no_unit(self, rng):
        logits = rng.normal(size=200) * 3
        y = (rng.random(200) < 0.5).astype(float)
        weights = rng.uniform(0.1, 3, size=200)
        found = best_temperature(logits, y, weights)
        assert best_temperature(logits, y, weights * 2.0**600) == found

    @pytest.mark.parametrize("n_rows", [1, 5, 20])
    def test_few_rows_say_little(self, n_rows):
        y = np.arange(n_rows) % 2.0
        separated = best_temperature(8 * y - 4, y, np.ones(n_rows))
        assert 0.8 < separated < 1
        more = best_temperature(
            np.repeat(8 * y - 4, 50), np.repeat(y, 50), np.ones(50 * n_rows)
        )
        assert more < separated
        assert best_temperature(8 * y - 4, y, np.full(n_rows, 50.0)) == separated

    def test_stays_within_its_bounds(self):
        y = np.arange(100_000) % 2.0
        assert best_temperature(1 - 2 * y, y, np.ones(len(y))) == HIGHEST
        assert best_temperature(0.1 * (2 * y - 1), y, np.ones(len(y))) == LOWEST

    def test_rows_that_come_out_as_predicted_leave_the_temperature_at_one(self):
        logits = np.repeat([-1.0, 1.0], 1000)
        share = [round(1000 * expit(one)) for one in (-1, 1)]
        y = (np.tile(np.arange(1000), 2) < np.repeat(share, 1000)).astype(float)
        found = best_temperature(logits, y, np.ones(2000))
        assert found == pytest.approx(1, abs=1e-3)


class TestPriorCorrection:
    def test_probabilities_are_those_of_the_true_prior(self, fits, rare):
        _, X, _, y = rare
        found = {name: clf.predict_proba(X)[:, 1] for name, clf in fits.items()}
        assert found["corrected"].mean() == pytest.approx(y.mean(), abs=0.03)
        assert found["weighted"].mean() > y.mean() + 0.1
        losses = {name: log_loss(y, one) for name, one in found.items()}
        assert losses["corrected"] < 0.8 * losses["weighted"]
        assert losses["corrected"] < 1.25 * losses["plain"]
        apart = {name: unreliability(y, one) for name, one in found.items()}
        assert apart["corrected"] < 0.5 * apart["weighted"]

    def test_members_are_shifted_and_nothing_else(self, fits, rare):
        corrected, weighted = fits["corrected"], fits["weighted"]
        shift = corrected.logit_shift_
        assert shift == pytest.approx(np.log(0.5 / 8))
        assert not hasattr(weighted, "logit_shift_")
        for one, other in zip(corrected.kinds_, weighted.kinds_, strict=True):
            assert np.array_equal(one["coefs_"][0], other["coefs_"][0])
            assert np.array_equal(one["intercepts_"][-1], other["intercepts_"][-1])
        logits = [
            logit(clf.member_probabilities(rare[1])) for clf in (corrected, weighted)
        ]
        np.testing.assert_allclose(logits[0], logits[1] + shift, atol=1e-4)

    def test_labels_follow_the_corrected_probability(self, fits, rare):
        clf, X = fits["corrected"], rare[1]
        positive = clf.predict_proba(X)[:, 1] > 0.5
        assert np.array_equal(clf.predict(X), positive.astype(int))
        assert positive.sum() < fits["weighted"].predict(X).sum()

    def test_sample_weight_stays_in(self, rare):
        X, _, y, _ = rare
        weights = np.where(y == 1, 8.0, 0.5)
        given = network(early_stopping=True)
        expected = clone(given).fit(X, y, weights)
        clf = given.set_params(prior_correction=True).fit(X, y, weights)
        assert clf.logit_shift_ == 0
        found, expected = (one.decision_function(X) for one in (clf, expected))
        assert np.array_equal(found, expected)

    def test_balanced(self, rare):
        X, _, y, _ = rare
        clf = network(class_weight="balanced", prior_correction=True).fit(X, y)
        assert clf.logit_shift_ == pytest.approx(logit(y.mean()))

    def test_a_stream_and_going_on(self, rare):
        X, _, y, _ = rare
        weighted = network(**WEIGHTED)
        corrected = network(**CORRECTED)
        for rows in (slice(500), slice(500, 1000)):
            for clf in (weighted, corrected):
                clf.partial_fit(X[rows], y[rows], classes=[0, 1])
        apart = corrected.decision_function(X) - weighted.decision_function(X)
        np.testing.assert_allclose(apart, corrected.logit_shift_, atol=1e-5)
        corrected.set_params(prior_correction=False).partial_fit(X, y)
        assert not hasattr(corrected, "logit_shift_")
        expected = weighted.partial_fit(X, y).decision_function(X)
        assert np.array_equal(corrected.decision_function(X), expected)

    def test_a_class_without_weight_is_refused(self, rare):
        clf = network(class_weight={1: 0}, prior_correction=True)
        sentence = (
            "^class_weight must be > 0 for every label with prior_correction=True, got "
            r"0 for 1\.$"
        )
        with pytest.raises(ValueError, match=sentence):
            clf.partial_fit(rare[0], rare[2], classes=[0, 1])


class TestCalibrate:
    def test_temperature_is_that_of_rows_held_out(self, fits, rare):
        _, _, y, _ = rare
        plain, calibrated = fits["plain"], fits["calibrated"]
        held_out = plain.oof_decision_function_
        expected = best_temperature(held_out, y.astype(float), np.ones(len(y)))
        assert calibrated.temperature_ == expected
        found = calibrated.oof_decision_function_
        np.testing.assert_allclose(found, held_out / expected)
        assert not hasattr(plain, "temperature_")

    def test_order_of_rows_stays(self, fits, rare):
        X = rare[1]
        plain, calibrated = (
            fits[name].decision_function(X) for name in ("plain", "calibrated")
        )
        temperature = fits["calibrated"].temperature_
        assert temperature != 1
        np.testing.assert_allclose(calibrated, plain / temperature)
        order = np.argsort(plain, kind="stable")
        assert (np.diff(calibrated[order]) >= 0).all()

    def test_a_network_that_is_too_sure_gets_better(self, rng):
        X = rng.normal(size=(1500, 10))
        y = (rng.random(1500) < expit(X[:, 0])).astype(int)
        sure = network(early_stopping=False, max_iter=60, hidden_layer_sizes=(50,)).fit(
            X[:300], y[:300], X_val=X[300:600], y_val=y[300:600]
        )
        sure.set_params(calibrate=True, n_iter_no_change=np.inf, weight_average=0.0)
        watched = {"X_val": X[300:600], "y_val": y[300:600]}
        tempered = clone(sure).fit(X[:300], y[:300], **watched)
        plain = clone(sure).set_params(calibrate=False).fit(X[:300], y[:300], **watched)
        losses = [
            log_loss(y[600:], one.predict_proba(X[600:])) for one in (plain, tempered)
        ]
        assert tempered.temperature_ > 1
        assert losses[1] < losses[0]

    def test_temperature_of_watched_rows(self, rare):
        X, X_val, y, y_val = rare
        watched = {"X_val": X_val[:400], "y_val": y_val[:400]}
        plain = network().fit(X, y, **watched)
        clf = network(calibrate=True).fit(X, y, **watched)
        logits = plain.decision_function(watched["X_val"])
        targets = watched["y_val"].astype(float)
        assert clf.temperature_ == best_temperature(logits, targets, np.ones(400))
        np.testing.assert_allclose(
            clf.decision_function(X), plain.decision_function(X) / clf.temperature_
        )

    def test_temperature_of_one_network(self, rare):
        X, _, y, _ = rare
        clf = network(calibrate=True, early_stopping=True).fit(X, y)
        assert clf.temperature_ != 1
        assert not hasattr(clf, "oof_decision_function_")

    def test_temperature_of_a_fit_that_goes_on(self, rare):
        X, _, y, _ = rare
        given = {"early_stopping": True, "warm_start": True}
        clf = network(calibrate=True, **given).fit(X, y).fit(X, y)
        plain = network(**given).fit(X, y).fit(X, y)
        logits = plain.decision_function(X)
        np.testing.assert_allclose(
            clf.decision_function(X), logits / clf.temperature_, atol=1e-12
        )
        clf.set_params(calibrate=False).fit(X, y)
        assert not hasattr(clf, "temperature_")

    def test_loss_is_that_of_the_scores_that_come_out(self, fits, rare):
        _, _, y, _ = rare
        clf, targets = fits["everything"], y.astype(float)
        shift, temperature = clf.logit_shift_, clf.temperature_
        held_out = fits["corrected"].oof_decision_function_
        expected = best_temperature(held_out, targets, np.ones(len(y)), centre=shift)
        assert temperature == pytest.approx(expected, rel=1e-12)
        found = clf.oof_decision_function_
        np.testing.assert_allclose(found, shift + (held_out - shift) / temperature)
        weights = np.where(y == 1, 8.0, 0.5)
        tempered = TorchBinaryClassifier(calibrate=True, **SOON, **WEIGHTED)
        tempered.fit(rare[0], y)
        held_out = fits["weighted"].oof_decision_function_
        expected = best_temperature(held_out, targets, weights)
        assert tempered.temperature_ == pytest.approx(expected, rel=1e-12)

    def test_weights_count_like_repeated_rows(self, rng):
        X = rng.normal(size=(60, 3))
        y = (rng.random(60) < expit(2 * X[:, 0])).astype(int)
        weights = rng.integers(0, 4, size=60)
        clf = TorchBinaryClassifier(**SOON | {"n_members": 2}, **EVERYTHING)
        weighted = clone(clf).fit(X, y, weights)
        rows = rng.permutation(np.repeat(np.arange(60), weights))
        repeated = clone(clf).fit(X[rows], y[rows])
        found, expected = (one.predict_proba(X) for one in (weighted, repeated))
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)

    def test_without_rows_held_out_is_refused(self):
        X, y = np.arange(12.0).reshape(6, 2) / 6, np.array([0, 1, 1, 1, 1, 1])
        sentence = (
            "^calibrate must be False where no rows are held out, got True. Set "
            r"early_stopping=True or pass X_val\.$"
        )
        with pytest.raises(ValueError, match=sentence):
            TorchBinaryClassifier(calibrate=True, early_stopping=False).fit(X, y)

    def test_class_of_one_row_leaves_scores_as_they_are(self, rng):
        X, y = rng.normal(size=(12, 2)), np.arange(12) == 3
        clf = TorchBinaryClassifier(**SOON, learning_rate="cosine")
        plain, asked = (
            clone(clf).set_params(calibrate=calibrate).fit(X, y)
            for calibrate in (False, True)
        )
        assert asked.temperature_ == 1
        np.testing.assert_array_equal(asked.predict_proba(X), plain.predict_proba(X))

    def test_is_not_for_streams(self, rare):
        clf = network(calibrate=True)
        assert not hasattr(clf, "partial_fit")
        with pytest.raises(AttributeError) as caught:
            clf.partial_fit(rare[0], rare[2], classes=[0, 1])
        assert "calibrate must be False for partial_fit" in str(caught.value.__cause__)


class TestEverywhere:
    """The same scores wherever they come from."""

    def test_batched_searches(self, rare):
        X, _, y, _ = rare
        clf = TorchBinaryClassifier(**SOON | {"max_iter": 3}, **EVERYTHING)
        grid = {"calibrate": [True, False], "prior_correction": [True, False]}
        search = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss")
        plain = clone(search).fit(X[:300], y[:300])
        with batched_fits():
            batched = clone(search).fit(X[:300], y[:300])
        names = [name for name in plain.cv_results_ if "test_score" in name]
        for name in names:
            assert np.array_equal(plain.cv_results_[name], batched.cv_results_[name])
        assert len(set(plain.cv_results_["mean_test_score"])) == 4
        best = [one.best_estimator_.decision_function(X) for one in (plain, batched)]
        assert np.array_equal(*best)

    @pytest.mark.parametrize("suffix", [".joblib", ".skops"])
    def test_files(self, fits, rare, tmp_path, suffix):
        if suffix == ".skops":
            pytest.importorskip("skops")
        path = tmp_path / f"model{suffix}"
        save(fits["everything"], path, X=rare[0])
        loaded = load(path, trust="safe" if suffix == ".skops" else "pickle")
        for name in SCORES:
            expected = getattr(fits["everything"], name)(rare[1])
            assert np.array_equal(getattr(loaded, name)(rare[1]), expected)

    def test_graph(self, fits, rare, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime")
        path = tmp_path / "model.onnx"
        export_onnx(fits["everything"], path)
        session = onnxruntime.InferenceSession(path)
        name = session.get_inputs()[0].name
        label, probability = session.run(None, {name: rare[1]})
        expected = fits["everything"].predict_proba(rare[1])
        np.testing.assert_allclose(probability, expected, atol=1e-5)
        assert np.array_equal(label, fits["everything"].predict(rare[1]))

    def test_models_from_before(self, fits, rare):
        model = joblib.load(_as_file(fits["plain"]))
        assert model.get_params() == fits["plain"].get_params()
        found, expected = (one.predict_proba(rare[1]) for one in (model, fits["plain"]))
        assert np.array_equal(found, expected)


def _as_file(clf):
    """Return a model's file as one was before there were the two parameters."""
    old = clone(clf)
    old.__dict__ = {
        name: value
        for name, value in vars(clf).items()
        if name not in {"calibrate", "prior_correction"}
    }
    file = io.BytesIO()
    joblib.dump(old, file)
    file.seek(0)
    return file


class TestMemberProbabilities:
    @pytest.mark.parametrize("name", ["plain", "weighted", "corrected"])
    def test_their_weighted_mean_is_that_of_predict_proba(self, fits, rare, name):
        clf, X = fits[name], rare[1]
        found = clf.member_probabilities(X)
        assert found.shape == (6, len(X))
        mean = clf.member_weights_ @ found
        np.testing.assert_allclose(mean, clf.predict_proba(X)[:, 1], rtol=1e-12)
        assert not np.allclose(found[0], found[1])

    def test_each_is_tempered_like_the_mean(self, fits, rare):
        clf, X = fits["everything"], rare[1]
        untempered = logit(fits["corrected"].member_probabilities(X))
        shift = clf.logit_shift_
        expected = expit(shift + (untempered - shift) / clf.temperature_)
        found = clf.member_probabilities(X)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)

    def test_bits_of_a_row_do_not_depend_on_others(self, fits, rare):
        clf, X = fits["everything"], rare[1][:200]
        whole = clf.member_probabilities(X)
        alone = [clf.member_probabilities(X[row : row + 1])[:, 0] for row in range(200)]
        assert np.array_equal(whole, np.transpose(alone))
        assert np.array_equal(clf.member_probabilities(X[::-1]), whole[:, ::-1])

    def test_one_network(self, rare):
        X, _, y, _ = rare
        clf = network().fit(X, y)
        expected = clf.predict_proba(X)[:, 1]
        assert np.array_equal(clf.member_probabilities(X), expected[np.newaxis])

    def test_gaps_and_what_is_no_number(self, fits, rare):
        clf, X = fits["plain"], rare[1][:20].copy()
        X[3, 1] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            clf.member_probabilities(X)
        X[3, 1] = np.nan
        with pytest.warns(UserWarning, match="gap|missing"):
            found = clf.member_probabilities(X)
        X[3, 1] = clf.medians_[1]
        assert np.array_equal(found, clf.member_probabilities(X))
