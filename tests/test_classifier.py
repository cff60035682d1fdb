"""What a fitted classifier is: labels, weights, seeds, stopping, files."""

import io
import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.special import expit, log_expit, logit
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import mlp
from torch_binary_classifier import TorchBinaryClassifier

ROOT = Path(__file__).parents[1]
STILL_FALLING = "ignore:max_iter=:sklearn.exceptions.ConvergenceWarning"
STEP_SOLVERS = ["adam", "adamw", "sgd"]
SOLVERS = [*STEP_SOLVERS, "lbfgs"]

SCORE_SCRIPT = """
import json
import sys

import joblib
import numpy as np

model = joblib.load(sys.argv[1])
np.save(sys.argv[3], model.predict_proba(np.load(sys.argv[2])))
print(json.dumps({"torch": "torch" in sys.modules}))
"""


def network(**parameters):
    """Return a small classifier that is silent about its few epochs."""
    given = {
        "hidden_layer_sizes": (8,),
        "max_iter": 6,
        "learning_rate": "cosine",
        "learning_rate_init": 0.01,
        "batch_size": 32,
        "random_state": 0,
    }
    if parameters.get("solver") == "lbfgs":
        given |= {"max_iter": 500, "tol": 0.01}
    return mlp(**given | parameters)


def assert_same_bits(first, second):
    """Compare two fitted classifiers weight by weight."""
    pairs = [(first.coefs_, second.coefs_), (first.intercepts_, second.intercepts_)]
    for ours, theirs in pairs:
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def globals_in(file):
    """Return (module, name) of everything that a pickle names."""
    found = []

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            found.append((module, name))
            return super().find_class(module, name)

    Reader(io.BytesIO(file)).load()
    return found


def same_weights(first, second):
    return all(map(np.array_equal, first.coefs_, second.coefs_))


@pytest.fixture
def data(rng):
    """Return (X, y): 150 noisy rows, so that a network can overfit them."""
    X = rng.normal(size=(150, 5))
    y = (X[:, 0] - X[:, 1] + 1.5 * rng.normal(size=150) > 0).astype(int)
    return X, y


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


class TestFiles:
    @pytest.fixture
    def large(self, cancer):
        model = mlp(
            hidden_layer_sizes=(256, 128),
            max_iter=2,
            learning_rate="cosine",
            random_state=0,
        )
        return make_pipeline(StandardScaler(), model).fit(*cancer)

    def score_elsewhere(self, model, X, folder):
        joblib.dump(model, folder / "model.joblib")
        np.save(folder / "rows.npy", X)
        paths = [folder / name for name in ("model.joblib", "rows.npy", "scores.npy")]
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCORE_SCRIPT, *map(str, paths)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return np.load(paths[-1]), json.loads(result.stdout)

    def test_a_new_process_scores_alike_without_torch(self, large, cancer, tmp_path):
        scores, seen = self.score_elsewhere(large, cancer[0], tmp_path)
        np.testing.assert_array_equal(scores, large.predict_proba(cancer[0]))
        assert seen == {"torch": False}

    def test_so_does_an_ensemble_that_can_be_trained_on(self, cancer, tmp_path):
        model = network(n_members=3, warm_start=True, input_norm="batch").fit(*cancer)
        scores, seen = self.score_elsewhere(model, cancer[0], tmp_path)
        np.testing.assert_array_equal(scores, model.predict_proba(cancer[0]))
        assert seen == {"torch": False}

    def test_a_file_is_hardly_larger_than_the_weights(self, large, cancer):
        model = large[-1]
        weights = sum(part.nbytes for part in [*model.coefs_, *model.intercepts_])
        assert weights == 4 * (30 * 256 + 256 + 256 * 128 + 128 + 128 + 1)
        file = io.BytesIO()
        joblib.dump(large, file)
        assert len(file.getvalue()) <= 1.1 * weights + 20_000
        assert len(pickle.dumps(large)) <= 1.1 * weights + 20_000
        going_on = clone(large).set_params(torchbinaryclassifier__warm_start=True)
        assert len(pickle.dumps(going_on.fit(*cancer))) > 2 * weights

    def test_one_epoch_of_fit_keeps_no_optimizer_state(self, cancer):
        model = mlp(hidden_layer_sizes=(256, 128), max_iter=1, learning_rate="cosine")
        weights = 4 * (30 * 256 + 256 + 256 * 128 + 128 + 128 + 1)
        assert len(pickle.dumps(model.fit(*cancer))) <= 1.1 * weights + 20_000

    def test_nothing_but_numbers_is_kept(self, data):
        for name, value in vars(network().fit(*data)).items():
            assert not isinstance(value, torch.Tensor), name

    def test_of_our_classes_only_the_classifier_is_in_a_file(self, data):
        model = network(warm_start=True, early_stopping=True, input_norm="batch")
        found = {
            f"{module} {name}"
            for module, name in globals_in(pickle.dumps(model.fit(*data)))
            if module.startswith("torch")
        }
        assert found == {"torch_binary_classifier.classifier TorchBinaryClassifier"}

    @pytest.mark.parametrize("solver", STEP_SOLVERS)
    @pytest.mark.filterwarnings(STILL_FALLING)
    def test_a_loaded_model_goes_on_with_the_same_bits(self, data, solver):
        model = network(solver=solver, warm_start=True, learning_rate="constant")
        model.fit(*data)
        loaded = pickle.loads(pickle.dumps(model))
        assert_same_bits(loaded.fit(*data), model.fit(*data))

    def test_clone_forgets(self, data):
        assert not hasattr(clone(network().fit(*data)), "coefs_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_as_good_as_scikit_learns():
    X, y = load_breast_cancer(return_X_y=True)
    given = {"hidden_layer_sizes": (32,), "max_iter": 40, "random_state": 0}
    given |= {"n_iter_no_change": 1000, "learning_rate_init": 0.003}
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    ours, theirs = (
        cross_val_score(
            make_pipeline(StandardScaler(), one), X, y, cv=folds, scoring="roc_auc"
        ).mean()
        for one in (mlp(**given), MLPClassifier(**given))
    )
    assert ours >= theirs - 0.002
    assert ours > 0.99


class TestScores:
    def test_methods_agree(self, data):
        X, y = data
        y = np.where(y == 1, "yes", "no")
        model = network().fit(X, y)
        z, proba = model.decision_function(X), model.predict_proba(X)
        np.testing.assert_allclose(proba, np.c_[expit(-z), expit(z)], rtol=1e-12)
        np.testing.assert_allclose(model.predict_log_proba(X), np.log(proba))
        np.testing.assert_array_equal(model.predict(X), np.where(z > 0, "yes", "no"))
        assert z.shape == (150,)
        assert proba.dtype == np.float64

    @pytest.mark.parametrize("size", [100, 1e4])
    def test_extreme_logits(self, data, size):
        X, y = data
        model = network().fit(X, y)
        factor = size / np.abs(model.decision_function(X)).max()
        model.coefs_[-1] = model.coefs_[-1] * factor
        model.intercepts_[-1] = model.intercepts_[-1] * factor
        z = model.decision_function(X)
        assert np.abs(z).max() > 0.99 * size
        log_proba = model.predict_log_proba(X)
        assert np.isfinite(log_proba).all()
        np.testing.assert_allclose(log_proba, np.c_[log_expit(-z), log_expit(z)])
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)

    def test_extreme_logits_of_an_ensemble(self, data):
        X, y = data
        model = network(n_members=3).fit(X, y)
        model.coefs_[-1] = model.coefs_[-1] * 1e4
        log_proba = model.predict_log_proba(X)
        assert np.isfinite(log_proba).all()
        z = model.decision_function(X)
        np.testing.assert_allclose(log_proba, np.c_[log_expit(-z), log_expit(z)])

    def test_rows_are_scored_alike_in_any_company(self, data):
        X, y = data
        model = network().fit(X, y)
        together = model.decision_function(X)
        apart = [model.decision_function(row[None])[0] for row in X]
        np.testing.assert_array_equal(apart, together)
        order = np.argsort(X[:, 0])
        np.testing.assert_array_equal(
            model.decision_function(X[order]), together[order]
        )

    @pytest.mark.parametrize("layout", ["F", "strided", "float32", "readonly", "list"])
    def test_any_memory_layout(self, data, layout):
        X, y = data
        X = X.astype(np.float32).astype(np.float64)
        views = {
            "F": np.asfortranarray(X),
            "strided": np.repeat(X, 2, axis=0)[::2],
            "float32": X.astype(np.float32),
            "readonly": X.copy(),
            "list": X.tolist(),
        }
        views["readonly"].setflags(write=False)
        expected, found = network().fit(X, y), network().fit(views[layout], y)
        assert_same_bits(found, expected)
        np.testing.assert_array_equal(
            found.decision_function(views[layout]), expected.decision_function(X)
        )

    def test_data_are_left_as_they_are(self, data):
        X, y = data
        weights = np.ones(150)
        kept = X.copy(), y.copy(), weights.copy()
        network(n_members=2, input_norm="batch").fit(X, y, weights).predict(X)
        for before, after in zip(kept, (X, y, weights), strict=True):
            np.testing.assert_array_equal(before, after)


class TestStart:
    def test_an_untrained_network_predicts_the_prior(self, data):
        X, _ = data
        y = (np.arange(150) < 15).astype(int)
        model = network(hidden_layer_sizes=(), learning_rate_init=1e-12, max_iter=1)
        model.fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
        found = model.predict_proba(np.zeros((1, 5)))[0, 1]
        assert found == pytest.approx(45 / 180, abs=1e-6)

    def test_output_bias_is_the_logit_of_the_prior(self, data):
        X, _ = data
        y = (np.arange(150) < 15).astype(int)
        model = network(learning_rate_init=1e-12, max_iter=1).fit(X, y)
        assert model.intercepts_[-1][0] == pytest.approx(logit(0.1), rel=1e-6)
        balanced = clone(model).set_params(class_weight="balanced").fit(X, y)
        assert balanced.intercepts_[-1][0] == pytest.approx(0, abs=1e-6)

    def test_dtype(self, data):
        X, y = data
        assert network().fit(X, y).coefs_[0].dtype == np.float32
        assert network(batch_size="auto").fit(X, y).coefs_[0].dtype == np.float64
        assert network(solver="lbfgs").fit(X, y).coefs_[0].dtype == np.float64
        assert network(dtype="float64").fit(X, y).coefs_[0].dtype == np.float64

    def test_attributes_have_the_documented_shapes(self, data):
        model = network(hidden_layer_sizes=(4, 3)).fit(*data)
        assert [coef.shape for coef in model.coefs_] == [(5, 4), (4, 3), (3, 1)]
        assert [bias.shape for bias in model.intercepts_] == [(4,), (3,), (1,)]
        assert (model.n_features_in_, model.n_iter_) == (5, 6)
        assert len(model.loss_curve_) == 6
        assert model.best_loss_ == min(model.loss_curve_)
        assert model.validation_loss_curve_ is None


class TestRowWeights:
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_weight_0_is_the_row_left_out(self, data, rng, solver):
        X, y = data
        weights = rng.uniform(0, 2, size=150) * (rng.random(150) > 0.3)
        kept = weights > 0
        model = network(solver=solver)
        found = clone(model).fit(X, y, sample_weight=weights)
        expected = clone(model).fit(X[kept], y[kept], sample_weight=weights[kept])
        assert_same_bits(found, expected)

    @pytest.mark.parametrize("solver", STEP_SOLVERS)
    @pytest.mark.parametrize("input_norm", [None, "batch"])
    def test_weights_are_repeated_rows_in_a_full_batch(
        self, data, rng, solver, input_norm
    ):
        X, y = data
        times = rng.integers(1, 4, size=150)
        model = network(
            solver=solver,
            batch_size=1000,
            input_norm=input_norm,
            alpha=1.0,
            max_iter=30,
        )
        found = clone(model).fit(X, y, sample_weight=times)
        repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
        np.testing.assert_allclose(
            found.decision_function(X), repeated.decision_function(X), rtol=1e-7
        )
        plain = clone(model).fit(X, y)
        assert not np.allclose(found.coefs_[0], plain.coefs_[0], rtol=1e-3)

    def test_weights_are_repeated_rows_for_lbfgs(self, data, rng):
        X, y = data
        times = rng.integers(1, 4, size=150)
        model = network(solver="lbfgs", alpha=1.0, max_iter=500, tol=1e-8)
        model.set_params(hidden_layer_sizes=())
        found = clone(model).fit(X, y, sample_weight=times)
        repeated = clone(model).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
        np.testing.assert_allclose(found.coefs_[0], repeated.coefs_[0], rtol=1e-4)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_class_weight_is_a_row_weight(self, data, rng, solver):
        X, y = data
        y = np.where(rng.random(150) < 0.3, 1, y * 0)
        model = network(solver=solver)
        counts = np.bincount(y)
        by_class = {
            "balanced": 150 / (2 * counts),
            "dict": np.array([1.0, 5.0]),
            "none": np.array([1.0, 1.0]),
        }
        given = {"balanced": "balanced", "dict": {0: 1.0, 1: 5.0}, "none": None}
        for name, weights in by_class.items():
            found = clone(model).set_params(class_weight=given[name]).fit(X, y)
            assert_same_bits(found, clone(model).fit(X, y, sample_weight=weights[y]))

    def test_class_weight_multiplies_sample_weight(self, data, rng):
        X, y = data
        weights = rng.uniform(0.5, 2, size=150)
        found = network(class_weight={0: 1, 1: 4}).fit(X, y, sample_weight=weights)
        expected = network().fit(X, y, sample_weight=weights * np.where(y == 1, 4, 1))
        assert_same_bits(found, expected)

    def test_class_weight_of_strings(self, data):
        X, y = data
        names = np.array(["no", "yes"])[y]
        found = network(class_weight={"no": 1, "yes": 4}).fit(X, names)
        assert_same_bits(found, network(class_weight={0: 1, 1: 4}).fit(X, y))

    def test_ones_are_no_weights(self, data):
        X, y = data
        assert_same_bits(network().fit(X, y, np.ones(150)), network().fit(X, y))

    def test_scale_of_weights_matters_only_beside_alpha(self, data):
        X, y = data
        found = network(alpha=0.0).fit(X, y, sample_weight=np.full(150, 4.0))
        np.testing.assert_allclose(
            found.decision_function(X),
            network(alpha=0.0).fit(X, y).decision_function(X),
            rtol=1e-4,
        )


class TestSparse:
    @pytest.fixture
    def sparse(self, rng):
        X = rng.normal(size=(150, 30)) * (rng.random((150, 30)) < 0.2)
        return X, (X[:, :5].sum(axis=1) > 0).astype(int)

    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "csc_array"])
    def test_sparse_fits_and_scores_as_dense(self, sparse, solver, kind):
        X, y = sparse
        S = getattr(scipy.sparse, kind)(X)
        model = network(solver=solver)
        dense, found = clone(model).fit(X, y), clone(model).fit(S, y)
        assert_same_bits(found, dense)
        np.testing.assert_array_equal(found.predict_proba(S), dense.predict_proba(X))
        np.testing.assert_array_equal(dense.predict_proba(S), dense.predict_proba(X))

    def test_with_everything_else(self, sparse, rng):
        X, y = sparse
        weights = rng.integers(0, 3, size=150)
        model = network(n_members=3, early_stopping=True, input_norm="batch")
        dense = clone(model).fit(X, y, sample_weight=weights)
        found = clone(model).fit(scipy.sparse.csr_array(X), y, sample_weight=weights)
        assert_same_bits(found, dense)
        np.testing.assert_array_equal(
            found.oof_decision_function_, dense.oof_decision_function_
        )

    def test_partial_fit(self, sparse):
        X, y = sparse
        dense = network().partial_fit(X, y, classes=[0, 1])
        found = network().partial_fit(scipy.sparse.csr_array(X), y, classes=[0, 1])
        assert_same_bits(found, dense)

    def test_validation_rows(self, sparse):
        X, y = sparse
        S = scipy.sparse.csr_array(X)
        dense = network().fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
        found = network().fit(S[:100], y[:100], X_val=S[100:], y_val=y[100:])
        assert found.validation_loss_curve_ == dense.validation_loss_curve_


class TestEarlyStopping:
    @pytest.fixture
    def overfit(self):
        return network(
            hidden_layer_sizes=(64,),
            max_iter=200,
            learning_rate="constant",
            learning_rate_init=0.02,
            n_iter_no_change=20,
        )

    def test_the_best_weights_are_kept(self, data, overfit):
        X, y = data
        weights = np.linspace(0.5, 2, 50)
        overfit.fit(
            X[:100], y[:100], X_val=X[100:], y_val=y[100:], sample_weight_val=weights
        )
        curve = overfit.validation_loss_curve_
        proba = overfit.predict_proba(X[100:])
        found = log_loss(y[100:], proba, sample_weight=weights)
        assert found == pytest.approx(min(curve), rel=1e-5)
        assert found < curve[-1] - 0.05
        assert overfit.best_loss_ == pytest.approx(min(curve))

    def test_best_weights_are_those_of_a_shorter_run(self, data, overfit):
        X, y = data
        given = {"X_val": X[100:], "y_val": y[100:]}
        overfit.fit(X[:100], y[:100], **given)
        best = int(np.argmin(overfit.validation_loss_curve_)) + 1
        assert best < overfit.n_iter_ < 200
        shorter = clone(overfit).set_params(max_iter=best)
        assert_same_bits(shorter.fit(X[:100], y[:100], **given), overfit)

    def test_class_weight_counts_in_validation(self, data, overfit):
        X, y = data
        overfit.set_params(class_weight={0: 1, 1: 5})
        overfit.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
        found = log_loss(
            y[100:],
            overfit.predict_proba(X[100:]),
            sample_weight=np.where(y[100:] == 1, 5, 1),
        )
        assert found == pytest.approx(overfit.best_loss_, rel=1e-5)

    def test_rows_are_held_out(self, data, overfit):
        X, y = data
        model = overfit.set_params(early_stopping=True, validation_fraction=0.2)
        model.fit(X, y)
        assert model.n_iter_ < 200
        assert len(model.validation_loss_curve_) == model.n_iter_
        assert not hasattr(model, "oof_decision_function_")

    def test_given_rows_replace_held_out_ones(self, data):
        X, y = data
        given = {"X_val": X[100:], "y_val": y[100:]}
        found = network(early_stopping=True).fit(X[:100], y[:100], **given)
        assert_same_bits(found, network().fit(X[:100], y[:100], **given))

    def test_lbfgs(self, data):
        X, y = data
        model = network(solver="lbfgs", hidden_layer_sizes=(32,), max_iter=60)
        model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
        found = log_loss(y[100:], model.predict_proba(X[100:]))
        assert found == pytest.approx(min(model.validation_loss_curve_), rel=1e-9)


class TestEnsemble:
    def test_first_members_do_not_depend_on_their_number(self, data):
        few, many = (network(n_members=k).fit(*data) for k in (3, 8))
        alone = network().fit(*data)
        for layer in range(2):
            np.testing.assert_array_equal(few.coefs_[layer], many.coefs_[layer][:3])
            np.testing.assert_array_equal(few.coefs_[layer][0], alone.coefs_[layer])
            np.testing.assert_array_equal(
                few.intercepts_[layer], many.intercepts_[layer][:3]
            )
        assert not np.array_equal(few.coefs_[0][0], few.coefs_[0][1])

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_probability_is_the_members_mean(self, data, solver):
        X, y = data
        model = network(solver=solver, n_members=4).fit(X, y)
        proba = []
        for member in range(4):
            hidden = X @ model.coefs_[0][member] + model.intercepts_[0][member]
            last = model.coefs_[1][member], model.intercepts_[1][member]
            proba.append(expit(np.maximum(hidden, 0) @ last[0] + last[1])[:, 0])
        np.testing.assert_allclose(
            model.predict_proba(X)[:, 1], np.mean(proba, axis=0), rtol=1e-5
        )
        np.testing.assert_allclose(
            model.decision_function(X), logit(np.mean(proba, axis=0)), atol=1e-5
        )

    def test_out_of_fold_scores_are_a_held_out_members(self, data):
        X, y = data
        model = network(n_members=3, early_stopping=True).fit(X, y)
        found = model.oof_decision_function_
        assert found.shape == (150,)
        hidden = np.einsum("ij,kjh->kih", X, model.coefs_[0])
        hidden = np.maximum(hidden + model.intercepts_[0][:, None], 0)
        logits = np.einsum("kih,kho->ki", hidden, model.coefs_[1])
        logits = logits + model.intercepts_[1]
        distance = np.abs(logits - found)
        np.testing.assert_allclose(distance.min(axis=0), 0, atol=1e-5)
        held_out_by = distance.argmin(axis=0)
        for member in range(3):
            assert np.bincount(y[held_out_by == member]).sum() == 50
        shares = [y[held_out_by == member].mean() for member in range(3)]
        np.testing.assert_allclose(shares, y.mean(), atol=0.02)

    @pytest.mark.filterwarnings("ignore:The loss, .* is above that of the class")
    def test_out_of_fold_scores_are_honest(self, rng):
        X, y = rng.normal(size=(200, 20)), rng.integers(0, 2, size=200)
        model = network(
            n_members=4,
            early_stopping=True,
            hidden_layer_sizes=(64,),
            max_iter=40,
            learning_rate_init=0.02,
            n_iter_no_change=100,
        )
        model.fit(X, y)
        assert roc_auc_score(y, model.decision_function(X)) > 0.7
        assert abs(roc_auc_score(y, model.oof_decision_function_) - 0.5) < 0.12

    def test_rows_of_weight_0_have_no_out_of_fold_score(self, data):
        X, y = data
        weights = np.ones(150)
        weights[[3, 77]] = 0
        model = network(n_members=3, early_stopping=True).fit(X, y, weights)
        found = np.flatnonzero(np.isnan(model.oof_decision_function_))
        assert found.tolist() == [3, 77]

    def test_out_of_fold_scores_go_with_their_fit(self, data):
        model = network(n_members=3, early_stopping=True).fit(*data)
        model.set_params(early_stopping=False).fit(*data)
        assert not hasattr(model, "oof_decision_function_")


@pytest.mark.filterwarnings(STILL_FALLING)
class TestGoingOn:
    @pytest.mark.parametrize("solver", STEP_SOLVERS)
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"learning_rate": "invscaling", "learning_rate_init": 0.1},
            {"dropout": 0.3},
            {"input_norm": "batch"},
            {"n_members": 3},
            {"batch_size": 1000},
            {"shuffle": False},
        ],
        ids=str,
    )
    def test_20_and_20_epochs_are_40(self, data, solver, given):
        common = {"learning_rate": "constant", "tol": 0.0, "n_iter_no_change": 1000}
        model = network(**common | {"solver": solver} | given)
        whole = clone(model).set_params(max_iter=40).fit(*data)
        halves = clone(model).set_params(max_iter=20, warm_start=True)
        halves.fit(*data)
        assert not same_weights(halves, whole)
        halves.fit(*data)
        assert_same_bits(halves, whole)
        np.testing.assert_array_equal(halves.loss_curve_, whole.loss_curve_)
        assert (halves.n_iter_, whole.n_iter_) == (20, 40)

    def test_cold_start_forgets(self, data):
        model = network().fit(*data)
        assert_same_bits(clone(model).fit(*data), model.fit(*data))
        assert model.n_iter_ == len(model.loss_curve_) == 6

    @pytest.mark.parametrize("solver", STEP_SOLVERS)
    @pytest.mark.parametrize("n_members", [1, 3])
    def test_epochs_of_partial_fit_are_epochs_of_fit(self, data, solver, n_members):
        given = {"solver": solver, "learning_rate": "constant", "n_members": n_members}
        streamed = network(**given)
        streamed.partial_fit(*data, classes=[0, 1])
        for _ in range(5):
            streamed.partial_fit(*data)
        assert_same_bits(streamed, network(**given).fit(*data))
        assert streamed.n_iter_ == 1

    def test_a_stream_is_learned(self, rng):
        model = network(learning_rate="constant", learning_rate_init=0.01)
        for _ in range(40):
            X = rng.normal(size=(64, 3))
            model.partial_fit(X, X[:, 0] > 0, classes=[False, True])
        X = rng.normal(size=(500, 3))
        assert model.score(X, X[:, 0] > 0) > 0.95

    def test_a_stream_may_begin_with_one_class(self, rng):
        model = network(learning_rate="constant", learning_rate_init=0.01)
        X = rng.normal(size=(64, 3))
        model.partial_fit(X, np.zeros(64), classes=[0, 1])
        assert model.classes_.tolist() == [0, 1]
        for _ in range(40):
            X = rng.normal(size=(64, 3))
            model.partial_fit(X, X[:, 0] > 0)
        X = rng.normal(size=(500, 3))
        assert model.score(X, X[:, 0] > 0) > 0.9

    def test_one_class_is_no_prior(self, rng):
        model = network(learning_rate_init=1e-12)
        model.partial_fit(rng.normal(size=(64, 3)), np.ones(64), classes=[0, 1])
        assert model.intercepts_[-1][0] == pytest.approx(0, abs=1e-6)

    def test_partial_fit_goes_on_from_fit(self, data):
        model = network().fit(*data)
        before = [coef.copy() for coef in model.coefs_]
        model.partial_fit(*data)
        assert not np.array_equal(before[0], model.coefs_[0])
        assert len(model.loss_curve_) == 7

    def test_normalisation_is_dropped_with_its_layer(self, data):
        X, y = data
        model = network(input_norm="batch").fit(X, y)
        model.set_params(input_norm=None).fit(X, y)
        expected = network().fit(X, y)
        np.testing.assert_array_equal(
            model.decision_function(X), expected.decision_function(X)
        )


class TestStopping:
    @pytest.mark.parametrize("solver", STEP_SOLVERS)
    def test_the_rule_is_scikit_learns(self, data, solver):
        given = {"tol": 10.0, "n_iter_no_change": 3, "learning_rate": "constant"}
        model = network(solver=solver, max_iter=50, **given).fit(*data)
        theirs = MLPClassifier(
            max_iter=50,
            tol=10.0,
            n_iter_no_change=3,
            solver="sgd" if solver == "sgd" else "adam",
        ).fit(*data)
        assert model.n_iter_ == theirs.n_iter_ == 5

    def test_still_falling(self, data):
        with pytest.warns(ConvergenceWarning, match="max_iter=6 was reached"):
            network(learning_rate="constant").fit(*data)

    def test_lbfgs_out_of_iterations(self, data):
        with pytest.warns(ConvergenceWarning, match="max_iter=2 was reached"):
            network(solver="lbfgs", max_iter=2, learning_rate="constant").fit(*data)

    def test_adaptive_goes_on_where_constant_ends(self, data):
        given = {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 500}
        constant = network(learning_rate="constant", **given).fit(*data)
        adaptive = network(learning_rate="adaptive", **given).fit(*data)
        # 0.01 falls below 1e-6 by six divisions by 5.
        assert constant.n_iter_ == 4
        assert adaptive.n_iter_ == 4 + 6 * 3

    @pytest.mark.filterwarnings(STILL_FALLING)
    def test_schedules(self, data):
        fitted = {
            kind: network(learning_rate=kind, power_t=0.1).fit(*data)
            for kind in ("constant", "invscaling", "cosine", "adaptive")
        }
        assert_same_bits(fitted["adaptive"], fitted["constant"])
        assert not same_weights(fitted["constant"], fitted["invscaling"])
        assert not same_weights(fitted["constant"], fitted["cosine"])
        flat = network(learning_rate="invscaling", power_t=0.0).fit(*data)
        assert_same_bits(flat, fitted["constant"])

    def test_verbose_prints_every_epoch(self, data, capsys):
        network(verbose=2, max_iter=3).fit(*data)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(",")[1].strip() for line in lines] == [
            "iteration 1",
            "iteration 2",
            "iteration 3",
        ]
        network(max_iter=3).fit(*data)
        assert capsys.readouterr().out == ""


class TestSeeds:
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"solver": "lbfgs"},
            {"dropout": 0.2, "n_members": 2},
            {"early_stopping": True, "n_members": 2},
        ],
        ids=str,
    )
    def test_same_seed_same_bits(self, data, given):
        first = network(**given).fit(*data)
        assert_same_bits(network(**given).fit(*data), first)
        other = network(**given | {"random_state": 1}).fit(*data)
        assert not same_weights(other, first)

    def test_random_state_instance(self, data):
        stream = np.random.RandomState(5)
        first = network(random_state=stream).fit(*data)
        second = network(random_state=stream).fit(*data)
        assert not same_weights(first, second)
        again = network(random_state=np.random.RandomState(5)).fit(*data)
        assert_same_bits(again, first)

    def test_no_seed(self, data):
        first, second = (network(random_state=None).fit(*data) for _ in range(2))
        assert not same_weights(first, second)

    @pytest.mark.parametrize("solver", ["adam", "lbfgs"])
    def test_global_state_is_left_alone(self, data, solver):
        X, y = data

        def state():
            numpy_state = np.random.get_state()  # noqa: NPY002
            return (
                random.getstate(),
                numpy_state[1].tolist(),
                numpy_state[2:],
                torch.get_rng_state().tolist(),
                torch.get_num_threads(),
                torch.get_default_dtype(),
                torch.is_grad_enabled(),
                np.geterr(),
            )

        before = state()
        model = network(
            solver=solver,
            n_members=3,
            early_stopping=True,
            dropout=0.1 if solver == "adam" else 0,
            max_iter=50,
        )
        model.fit(X, y).predict(X)
        assert state() == before

    def test_result_does_not_depend_on_torchs_threads(self, data):
        threads = torch.get_num_threads()
        expected = network(n_members=3).fit(*data)
        try:
            torch.set_num_threads(1)
            found = network(n_members=3).fit(*data)
            assert torch.get_num_threads() == 1
        finally:
            torch.set_num_threads(threads)
        assert_same_bits(found, expected)


class TestBatchNormalisation:
    @pytest.mark.parametrize("n_rows", [33, 65, 97])
    def test_no_batch_of_one_row(self, data, n_rows):
        X, y = data[0][:n_rows], data[1][:n_rows]
        model = network(input_norm="batch").fit(X, y)
        assert np.isfinite(model.loss_curve_).all()
        assert np.isfinite(model.decision_function(X)).all()

    def test_unscaled_input_is_learned(self, data):
        X, y = data
        scales = np.array([1e-3, 1e3, 1, 1, 1])
        model = network(
            input_norm="batch",
            max_iter=60,
            learning_rate_init=0.02,
            unscaled_input="raise",
        )
        plain = clone(model).fit(X, y)
        scaled = clone(model).fit(X * scales + [0, 5e4, 0, 0, 0], y)
        assert scaled.best_loss_ == pytest.approx(plain.best_loss_, abs=0.05)

    @pytest.mark.parametrize(
        "given", [{}, {"solver": "lbfgs"}, {"n_members": 2}], ids=str
    )
    @pytest.mark.parametrize("sparse", [False, True])
    @pytest.mark.parametrize(
        ("offset", "unit"),
        [(1e9, 1.0), (2.45e6, 1 / 48), (0.0, 1e-6), (0.0, 1e-300), (-1e300, 1e300)],
    )
    def test_zero_and_unit_of_a_column_do_not_matter(
        self, data, given, sparse, offset, unit
    ):
        X, y = data
        moved = X.copy()
        moved[:, 0] = X[:, 0] * unit + offset
        table = scipy.sparse.csr_matrix(moved) if sparse else moved
        model = network(input_norm="batch", dtype="float32", **given)
        expected = clone(model).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
        found = model.fit(table[:100], y[:100], X_val=table[100:], y_val=y[100:])
        assert found.best_loss_ == pytest.approx(expected.best_loss_, rel=1e-4)
        np.testing.assert_allclose(
            found.predict_proba(table), expected.predict_proba(X), atol=1e-4
        )
        if found.n_members == 1:  # else the mean of the members' losses
            scored = log_loss(y[100:], found.predict_proba(table[100:]))
            assert scored == pytest.approx(found.best_loss_, rel=1e-5)

    def test_streams_keep_the_zero_of_their_first_rows(self, data):
        X, y = data
        moved = X * 1e-3 + 1e6
        model = network(input_norm="batch", learning_rate_init=0.02)
        plain, far = clone(model), clone(model)
        for _ in range(10):
            for part in np.split(np.arange(150), 3):
                plain.partial_fit(X[part], y[part], classes=[0, 1])
                far.partial_fit(moved[part], y[part], classes=[0, 1])
        np.testing.assert_allclose(
            far.predict_proba(moved), plain.predict_proba(X), atol=1e-4
        )

    def test_weights_are_repeated_rows(self, data, rng):
        X, y = data
        X = X * 1e-6 + 1
        weights = rng.integers(0, 4, size=len(y))
        model = network(
            input_norm="batch", solver="lbfgs", hidden_layer_sizes=(), max_iter=200
        )
        weighted = clone(model).fit(X, y, sample_weight=weights)
        rows = np.repeat(np.arange(len(y)), weights)
        repeated = clone(model).fit(X[rows], y[rows])
        np.testing.assert_allclose(
            weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-6
        )

    def test_a_constant_column_stays_one(self, data):
        X, y = data
        X = np.c_[X, np.full(len(X), 0.1)]
        model = network(input_norm="batch").fit(X, y)
        expected = model.predict_proba(X)
        X[:, -1] = np.nextafter(0.1, 1)
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


class TestParameters:
    def test_get_and_set(self):
        model = TorchBinaryClassifier()
        assert len(model.get_params()) == 37
        values = {"alpha": 0.5, "n_members": 4, "hidden_layer_sizes": (3, 2)}
        found = model.set_params(**values).get_params()
        assert found | values == found
        assert clone(model).get_params() == found

    def test_what_is_not_automatic_is_scikit_learns(self):
        ours, theirs = (
            TorchBinaryClassifier().get_params(),
            MLPClassifier().get_params(),
        )
        shared = set(ours) & set(theirs)
        assert len(shared) == 23
        shared = {name for name in shared if ours[name] != "auto"}
        assert len(shared) == 16
        assert {name: ours[name] for name in shared} == {
            name: theirs[name] for name in shared
        }

    def test_a_refused_value_leaves_the_fit_alone(self, data):
        X, y = data
        model = network().fit(X, y)
        before = model.predict_proba(X)
        with pytest.raises(ValueError, match="alpha must be"):
            model.set_params(alpha=-1).fit(X, y)
        np.testing.assert_array_equal(model.predict_proba(X), before)

    @pytest.mark.parametrize("size", [7, np.int64(7), [7], (7,), np.array([7])])
    def test_ways_to_write_a_layer(self, data, size):
        model = network(hidden_layer_sizes=size).fit(*data)
        assert model.coefs_[0].shape == (5, 7)

    def test_no_hidden_layer(self, data):
        model = network(hidden_layer_sizes=()).fit(*data)
        assert [coef.shape for coef in model.coefs_] == [(5, 1)]

    @pytest.mark.parametrize(
        "activation", ["gelu", "identity", "logistic", "relu", "selu", "silu", "tanh"]
    )
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_training_and_scoring_agree(self, data, activation, dtype):
        X, y = data
        model = network(activation=activation, dtype=dtype, solver="adam")
        model.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
        found = log_loss(y[100:], model.predict_proba(X[100:]))
        tolerance = 1e-6 if dtype == "float32" else 1e-12
        assert found == pytest.approx(model.best_loss_, rel=tolerance)


class Subclass(TorchBinaryClassifier):
    def __init__(self, extra=1, max_iter=7):
        super().__init__(max_iter=max_iter)
        self.extra = extra


@pytest.mark.parametrize("model", [TorchBinaryClassifier(alpha=3), Subclass(extra=2)])
def test_get_params_gives_what_scikit_learn_finds(model):
    found = model.get_params()
    assert list(found.items()) == list(BaseEstimator.get_params(model).items())
    model.set_params(max_iter=found["max_iter"] + 1)
    assert model.get_params()["max_iter"] == found["max_iter"] + 1


class TestFiniteDivergence:
    """A training that ends worse than it began, without any overflow."""

    @pytest.mark.parametrize("rate", [1e3, 1e4])
    @pytest.mark.parametrize("early_stopping", [False, True])
    def test_is_told(self, data, rate, early_stopping):
        model = network(
            learning_rate_init=rate, early_stopping=early_stopping, tol=1e9, max_iter=50
        )
        with pytest.warns(ConvergenceWarning, match="class frequencies alone have"):
            model.fit(*data)

    @pytest.mark.parametrize("share", [0.5, 0.05])
    @pytest.mark.parametrize("given", [{}, {"early_stopping": True}], ids=str)
    def test_nothing_to_learn_is_none(self, rng, share, given):
        X = rng.normal(size=(200, 5))
        y = (rng.random(200) < share).astype(int)
        for rate in (1e-3, 1e-2):
            network(learning_rate_init=rate, tol=1.0, **given).fit(X, y)
