"""Attributes that MLPClassifier's users read mean the same here."""

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from builders import mlp, network
from torch_binary_classifier import TorchBinaryClassifier

NAMES = [
    "loss_",
    "best_validation_score_",
    "validation_scores_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "t_",
]
EQUAL = ["n_layers_", "n_outputs_", "out_activation_", "t_", "n_iter_"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("stops", [False, True])
def test_they_are_those_of_mlp_classifier(solver, stops, tiny_data):
    given = {"hidden_layer_sizes": (7, 5), "max_iter": 3, "random_state": 0}
    given |= {"solver": solver, "early_stopping": stops and solver == "adam"}
    theirs = MLPClassifier(**given).fit(*tiny_data)
    ours = mlp(**given).fit(*tiny_data)
    for name in EQUAL:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.loss_ == ours.loss_curve_[-1]
    scores = getattr(theirs, "validation_scores_", None)
    assert (ours.validation_scores_ is None) == (scores is None)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scores_are_the_accuracy_on_the_rows_held_out(solver, tiny_data):
    X, y = tiny_data
    weights = np.arange(1.0, 61.0)
    held_out = {"X_val": X, "y_val": y, "sample_weight_val": weights}
    model = network(solver=solver).fit(X, y, **held_out)
    best = int(np.argmin(model.validation_loss_curve_))
    expected = model.score(X, y, sample_weight=weights)
    assert model.validation_scores_[best] == pytest.approx(expected)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_of_an_ensemble_they_are_averages(tiny_data):
    model = TorchBinaryClassifier(random_state=0, max_iter=5).fit(*tiny_data)
    assert len(model.validation_scores_) == 5
    assert 0 <= model.best_validation_score_ <= 1
    assert model.loss_ == model.loss_curve_[-1]
    hidden = model.kinds_[0]["coefs_"]
    assert (model.n_layers_, model.n_outputs_) == (len(hidden) + 1, 1)


def test_they_go_on(tiny_data):
    model = network(warm_start=True, early_stopping=True)
    model.fit(*tiny_data)
    n_rows = model.t_ // 4
    model.fit(*tiny_data)
    assert model.t_ == 8 * n_rows
    assert len(model.validation_scores_) == 8


@pytest.mark.parametrize("name", NAMES)
def test_an_unfitted_estimator_has_none(name):
    assert not hasattr(network(), name)
    if name in ("n_layers_", "n_outputs_", "out_activation_"):
        with pytest.raises(AttributeError, match="must be fitted before it has this"):
            getattr(network(), name)
