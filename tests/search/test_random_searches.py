"""Small searches of all kinds, with failures and delays at random places."""

from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedKFold,
    cross_validate,
)

from searches import assert_same, moody
from torch_binary_classifier import batched_fits
from torch_binary_classifier.search import patience

X = np.random.default_rng(0).normal(size=(24, 2))
Y = np.tile([0, 1], 12)

MOODS = st.sampled_from([1e-4, 0.1, 2, 3, 4, 5, 6, 7])
LOGISTIC = {"clf": [LogisticRegression()]}
PAIRS = {"clf__n_members": [2], "clf__early_stopping": [True, False]}


@dataclass(frozen=True)
class Drawn:
    """A search, what wraps it, and how much memory it may take."""

    tool: str
    alphas: list[float]
    other_grids: list[dict[str, Any]]
    cv: int = 2
    max_iter: int = 1
    error_score: float | str = np.nan
    n_jobs: int | None = None
    pre_dispatch: int | str = "2*n_jobs"
    memory_limit: int | None = None

    @property
    def grids(self):
        return [{"clf__alpha": self.alphas}, *self.other_grids]

    @property
    def model(self):
        return moody(hidden_layer_sizes=(2,), max_iter=self.max_iter, batch_size=8)

    def run(self):
        """Return what comes of the search."""
        model = self.model
        search = GridSearchCV(
            model,
            self.grids,
            cv=self.cv,
            scoring="accuracy",
            error_score=self.error_score,
            n_jobs=self.n_jobs,
            pre_dispatch=self.pre_dispatch,
        )
        if self.tool == "search":
            return search.fit(X, Y).cv_results_
        if self.tool == "nested":
            return cross_validate(
                search, X, Y, cv=2, error_score=-5.0, scoring="accuracy"
            )
        if self.tool == "bagging":
            bagged = BaggingClassifier(model, n_estimators=4, random_state=0)
            return bagged.fit(X, Y).predict(X)
        voters = [("one", model), ("two", search), ("three", LogisticRegression())]
        return VotingClassifier(voters).fit(X, Y).predict(X)

    def errors_of_fits(self):
        """Return the errors of all candidates on all folds, each fitted alone."""
        found = set()
        for parameters in ParameterGrid(self.grids):
            for rows, _ in StratifiedKFold(self.cv).split(X, Y):
                model = clone(self.model).set_params(**parameters)
                try:
                    model.fit(X[rows], Y[rows])
                except Exception as error:
                    found.add(described(error))
        return found


def described(error):
    """Return an error's type and first line; a summary of all fits has more."""
    return type(error).__name__, str(error).strip().partition("\n")[0]


def outcome(run):
    """Return what comes of a search, be it an error."""
    try:
        return run(), None
    except Exception as error:
        return None, described(error)


def check_bits(drawn):
    """Hold a search in company against one whose fits train alone."""
    with joblib.parallel_config(backend="threading"):
        expected, error = outcome(drawn.run)
    with (
        pytest.MonkeyPatch.context() as patch,
        batched_fits(memory_limit=drawn.memory_limit),
    ):
        patch.setattr(patience, "PATIENCE_SECONDS", 10**6)  # hides no deadlock
        found, found_error = outcome(drawn.run)
    event(f"{drawn.tool}, {error}")
    if error is None:
        assert found_error is None
        assert_same(found, expected)
    elif drawn.error_score == "raise" and drawn.tool != "nested":
        # Which fit fails first depends on when each comes to its training.
        assert {error, found_error} <= drawn.errors_of_fits()
    else:
        assert found_error == error


DRAWN = st.builds(
    Drawn,
    tool=st.sampled_from(["search"] * 6 + ["nested"] * 2 + ["bagging", "voting"]),
    alphas=st.lists(MOODS, min_size=1, max_size=4),
    other_grids=st.sampled_from([[], [LOGISTIC], [PAIRS], [LOGISTIC, PAIRS]]),
    cv=st.sampled_from([2, 3]),
    max_iter=st.sampled_from([1, 2]),
    error_score=st.sampled_from([-9.0, np.nan, "raise"]),
    n_jobs=st.sampled_from([None, 1, 2, 5, -1]),
    pre_dispatch=st.sampled_from(["2*n_jobs", 1, 3, "all"]),
    memory_limit=st.sampled_from([None, 1, 3000]),
)
OPTIONS = {
    "derandomize": True,
    "deadline": None,
    # The others trace every line, which takes ten times as long.
    "phases": [Phase.explicit, Phase.generate, Phase.shrink],
    "suppress_health_check": [HealthCheck.too_slow],
}


@pytest.mark.filterwarnings("ignore")
@given(drawn=DRAWN)
@example(drawn=Drawn("search", [1e-4, 2, 4, 6, 7], []))
@example(drawn=Drawn("search", [2, 7], []))
@example(drawn=Drawn("search", [1e-4, 4, 5, 2], [], error_score="raise", n_jobs=2))
@example(drawn=Drawn("nested", [2], [], error_score="raise"))
@example(drawn=Drawn("voting", [2], [], error_score=-9.0))
@settings(max_examples=30, **OPTIONS)
def test_a_few(drawn):
    check_bits(drawn)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
@given(drawn=DRAWN)
@settings(max_examples=1000, **OPTIONS)
def test_a_thousand(drawn):
    check_bits(drawn)
