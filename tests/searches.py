"""Searches that are run with and without company, and how their results compare."""

import os
import time
import warnings
from functools import partial

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import builders
from torch_binary_classifier import TorchBinaryClassifier

TIMES = ("fit_time", "score_time", "_fit_time", "_score_time")

network = partial(builders.network, unscaled_input="ignore")
pipe = partial(builders.pipe, unscaled_input="ignore")

GRID = {
    "clf__hidden_layer_sizes": [(4,), (8, 4)],
    "clf__alpha": [1e-4, 1.0],
    "clf__learning_rate_init": [0.003, 0.03],
}


def search(grid=GRID, estimator=None, **parameters):
    given = {"cv": 5, "scoring": "neg_log_loss", "error_score": "raise"}
    model = pipe() if estimator is None else estimator
    return GridSearchCV(model, grid, **given | parameters)


def assert_same(found, expected):
    """Compare two results of any of scikit-learn's tools, times left out."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            if not str(key).endswith(TIMES) and key != "estimator":
                assert_same(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif np.asarray(expected).dtype.kind == "O":  # estimators among parameters
        assert repr(found) == repr(expected)
    else:
        np.testing.assert_array_equal(found, expected)


def fitted_search(kind, **options):
    def run(X, y):
        made = kind(pipe(), **options, cv=3, random_state=0)
        made.fit(X, y)
        return made.cv_results_, made.predict_proba(X)

    return run


def grid_search(X, y):
    made = search().fit(X, y)
    return made.cv_results_, made.predict_proba(X)


def fitted(make):
    def run(X, y):
        model = make().fit(X, y)
        return model.predict_proba(X)

    return run


def halving_grid(X, y):
    made = HalvingGridSearchCV(
        pipe(), {"clf__alpha": [1e-4, 1e-2, 1.0, 3.0]}, cv=3, factor=2, random_state=0
    ).fit(X, y)
    return made.cv_results_, made.predict_proba(X)


def stacking():
    members = [("net", pipe()), ("wide", pipe(hidden_layer_sizes=(16,)))]
    return StackingClassifier(members, LogisticRegression(), cv=3)


def voting():
    members = [
        ("net", pipe()),
        ("wide", pipe(hidden_layer_sizes=(16,))),
        ("other", LogisticRegression()),
    ]
    return VotingClassifier(members, voting="soft")


ALPHAS = [1e-4, 1e-2, 1.0, 3.0]

# What is run with and without company, and how many fits the first program serves.
TOOLS = {
    "GridSearchCV": (grid_search, 40),
    "RandomizedSearchCV": (
        fitted_search(
            RandomizedSearchCV, param_distributions={"clf__alpha": ALPHAS}, n_iter=3
        ),
        9,
    ),
    "HalvingGridSearchCV": (halving_grid, 12),
    "HalvingRandomSearchCV": (
        fitted_search(
            HalvingRandomSearchCV,
            param_distributions={"clf__alpha": ALPHAS},
            n_candidates=4,
            factor=2,
        ),
        12,
    ),
    "cross_validate": (
        lambda X, y: cross_validate(
            pipe(), X, y, cv=5, scoring=["accuracy", "roc_auc"], return_train_score=True
        ),
        5,
    ),
    "cross_val_score": (lambda X, y: cross_val_score(pipe(), X, y, cv=4), 4),
    "cross_val_predict": (
        lambda X, y: cross_val_predict(pipe(), X, y, cv=4, method="predict_proba"),
        4,
    ),
    "learning_curve": (
        lambda X, y: learning_curve(
            pipe(),
            X,
            y,
            cv=3,
            train_sizes=[0.4, 0.7, 1.0],
            shuffle=True,
            random_state=0,
        ),
        9,
    ),
    "validation_curve": (
        lambda X, y: validation_curve(
            pipe(), X, y, param_name="clf__alpha", param_range=ALPHAS, cv=3
        ),
        12,
    ),
    "BaggingClassifier": (
        fitted(lambda: BaggingClassifier(pipe(), n_estimators=7, random_state=0)),
        7,
    ),
    "CalibratedClassifierCV": (
        fitted(lambda: CalibratedClassifierCV(pipe(), cv=3)),
        3,
    ),
    "StackingClassifier": (fitted(stacking), 2),
    "VotingClassifier": (fitted(voting), 2),
    "TunedThresholdClassifierCV": (
        fitted(lambda: TunedThresholdClassifierCV(pipe(), cv=3)),
        3,
    ),
    "bare estimator": (
        lambda X, y: cross_validate(network(), (X - 3) / 2, y, cv=5),
        5,
    ),
}


class Moody(TorchBinaryClassifier):
    """Fails, warns, waits or ends as its alpha says."""

    def fit(self, X, y, **rest):
        if self.alpha == 2:
            msg = "alpha is 2"
            raise RuntimeError(msg)
        if self.alpha == 3:
            warnings.warn("alpha is 3", UserWarning, stacklevel=1)
        if self.alpha == 4:
            self.learning_rate_init = 1e30
        if self.alpha == 5:
            time.sleep(0.01)
        if self.alpha == 8:  # takes its process with it
            os._exit(1)
        if self.alpha == 6:  # never reaches training
            self.classes_, self.dull_ = np.unique(y), True
            return self
        super().fit(X, y, **rest)
        if self.alpha == 7:
            msg = "alpha is 7"
            raise RuntimeError(msg)
        return self

    def decision_function(self, X):
        return (
            np.zeros(len(X))
            if hasattr(self, "dull_")
            else (super().decision_function(X))
        )

    def predict_proba(self, X):
        return (
            np.full((len(X), 2), 0.5)
            if hasattr(self, "dull_")
            else super().predict_proba(X)
        )


def moody(**parameters):
    return Pipeline(
        [
            ("scale", StandardScaler()),
            ("clf", Moody(**network(**parameters).get_params())),
        ]
    )
