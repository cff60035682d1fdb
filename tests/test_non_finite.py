"""A weight or a loss that is not finite is an error, whoever has called for the fit."""

import copy

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV

from builders import network
from torch_binary_classifier import TorchBinaryClassifier, batched_fits

SGD = {"solver": "sgd", "learning_rate": "constant", "learning_rate_init": 0.01}
MESSAGE = (
    r"^Training diverged: weights or loss became non-finite in epoch \d+\. The likely "
    r"cause is learning_rate_init=1e\+30: lower it\.(\n|$)"
)
HUGE = r"The likely cause is the scale of the input, where a value is .*e\+38: put a S"


def fit(model, X, y):
    model.fit(X, y)


def fit_on_streams(model, X, y):
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1])


def told(model):
    pytest.importorskip("sklearn.callback")
    from sklearn.callback import ScoringMonitor

    return model.set_callbacks(ScoringMonitor(scoring="neg_log_loss"))


MODELS = {
    "alone": lambda: network(**SGD),
    "with lines": lambda: network(**SGD, verbose=1),
    "with callbacks": lambda: told(network(**SGD)),
    "going on": lambda: network(**SGD, warm_start=True),
    "ensemble": lambda: TorchBinaryClassifier(**SGD, random_state=0),
}


@pytest.mark.parametrize(
    ("name", "train"),
    [*((name, fit) for name in MODELS), ("alone", fit_on_streams)],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_is_an_error_that_leaves_the_estimator_as_it_was(name, train, tiny_data):
    X, y = tiny_data
    for is_fitted in (True, False):
        model = MODELS[name]()
        if is_fitted:
            train(model, X, y)
            scores = model.predict_proba(X)
        model.set_params(learning_rate_init=1e30)
        before = copy.copy(vars(model))
        with pytest.raises(ValueError, match=MESSAGE):
            train(model, X, y)
        assert vars(model) == before
        if is_fitted:
            np.testing.assert_array_equal(model.predict_proba(X), scores)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_rows_that_are_too_large_are_named(form, tiny_data):
    X, y = tiny_data
    with pytest.raises(ValueError, match=HUGE):
        network(unscaled_input="ignore").fit(form(X * 1e38), y)


@pytest.mark.parametrize("is_batched", [False, True])
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_search_gives_its_candidate_the_score_of_an_error(is_batched, tiny_data):
    def searched(error_score):
        grid = {"learning_rate_init": [0.01, 1e30]}
        model = network(solver="sgd")
        search = GridSearchCV(model, grid, cv=3, error_score=error_score)
        if not is_batched:
            return search.fit(*tiny_data)
        with batched_fits():
            return search.fit(*tiny_data)

    with pytest.raises(ValueError, match=MESSAGE):
        searched("raise")
    with pytest.warns(FitFailedWarning, match="Training diverged: weights"):
        scores = searched(np.nan).cv_results_["mean_test_score"]
    assert np.isfinite(scores).tolist() == [True, False]
