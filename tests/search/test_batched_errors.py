"""Errors and warnings of fits in company reach their fits, and no others."""

import warnings
from collections import Counter

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from searches import Moody, assert_same, moody, network, pipe, search
from torch_binary_classifier import batched_fits
from torch_binary_classifier.search import programs


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
class TestErrors:
    def test_reach_exactly_their_fits(self, table, companies):
        grid = {"clf__alpha": [1e-4, 2, 0.1, 4, 5, 6, 7]}
        options = {"estimator": moody(), "error_score": np.nan}
        with pytest.warns(FitFailedWarning, match="15 fits failed"):
            expected = search(grid, **options).fit(*table)
        with batched_fits(), pytest.warns(FitFailedWarning) as caught:
            found = search(grid, **options).fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        text = str(caught[0].message)
        assert "15 fits failed out of a total of 35" in text
        assert text.count("alpha is 2") == text.count("alpha is 7") == 1
        assert "Training diverged" in text
        assert companies == [25]

    def test_end_the_search_where_they_must(self, table):
        grid = {"clf__alpha": [1e-4, 0.1, 2, 0.2]}
        with batched_fits(), pytest.raises(RuntimeError, match="alpha is 2") as caught:
            search(grid, moody()).fit(*table)
        assert any("in fit" in note for note in caught.value.__notes__)

    def test_end_an_inner_search_only(self, table):
        inner = search({"clf__alpha": [1e-4, 0.1]}, moody(), cv=2)
        grid = {"estimator__clf__n_members": [1, 2], "estimator__clf__max_iter": [0, 3]}
        options = {"error_score": -9.0, "cv": 2}
        with pytest.warns(FitFailedWarning):
            expected = search(grid, inner, **options).fit(*table)
        with batched_fits(), pytest.warns(FitFailedWarning):
            found = search(grid, inner, **options).fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert -9.0 in found.cv_results_["mean_test_score"]

    def test_of_a_whole_program_are_tried_fit_by_fit(self, table, monkeypatch):
        run = programs.run

        def fails_in_company(training, *rest):
            if (
                len(training.members) > 1
                or training.members[0].hyperparameters.alpha == 1
            ):
                msg = "out of memory"
                raise MemoryError(msg)
            return run(training, *rest)

        expected = search({"clf__alpha": [1e-4]}, error_score=-9.0).fit(*table)
        monkeypatch.setattr(programs, "run", fails_in_company)
        with batched_fits(), pytest.warns(FitFailedWarning, match="out of memory"):
            found = search({"clf__alpha": [1e-4, 1.0]}, error_score=-9.0).fit(*table)
        scores = found.cv_results_["mean_test_score"]
        assert scores[0] == expected.cv_results_["mean_test_score"][0]
        assert scores[1] == -9.0

    @pytest.mark.parametrize("limit", [0, -1.0, "1GB", True, float("nan"), [1]])
    def test_of_a_memory_limit(self, limit):
        with (
            pytest.raises(ValueError, match="memory_limit must be None or > 0 bytes"),
            batched_fits(memory_limit=limit),
        ):
            pass

    def test_of_an_unknown_backend(self):
        with (
            pytest.raises(ValueError, match="Invalid backend: nowhere"),
            batched_fits(backend="nowhere"),
        ):
            pass

    def test_of_itself_as_its_backend(self):
        with (
            pytest.raises(ValueError, match="backend must be a backend other than"),
            batched_fits(backend="batched"),
        ):
            pass


class Listener(Moody):
    """Keeps the messages of the warnings of its own fit."""

    def fit(self, X, y, **rest):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().fit(X, y, **rest)
        self.heard_ = [str(one.message).split(" was")[0] for one in caught]
        return self


class TestWarnings:
    def test_reach_exactly_their_fits(self, table):
        given = network(learning_rate="constant").get_params()
        model = Pipeline([("scale", StandardScaler()), ("clf", Listener(**given))])
        model_3 = clone(model).set_params(clf__alpha=3)
        model_5 = clone(model).set_params(clf__alpha=5, clf__max_iter=5)
        made = VotingClassifier([("a", model), ("b", model_3), ("c", model_5)])
        with batched_fits():
            made.fit(*table)
        heard = [one["clf"].heard_ for one in made.estimators_]
        assert heard == [["max_iter=4"], ["alpha is 3", "max_iter=4"], ["max_iter=5"]]

    def test_reach_the_caller(self, table):
        model = moody(learning_rate="constant")
        with batched_fits(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search({"clf__alpha": [1e-4, 3]}, model, refit=False).fit(*table)
        kinds = Counter(one.category for one in caught)
        assert kinds == {ConvergenceWarning: 10, UserWarning: 5}

    def test_become_errors_where_the_caller_says_so(self, table):
        with (
            batched_fits(),
            pytest.raises(ConvergenceWarning, match="max_iter=4 was reached"),
        ):
            search(estimator=pipe(learning_rate="constant")).fit(*table)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_filters_are_as_before_afterwards(self, n_jobs, table):
        before = list(warnings.filters), warnings.filters, warnings.showwarning
        with batched_fits():
            search(n_jobs=n_jobs).fit(*table)
        assert list(warnings.filters) == before[0]
        assert warnings.filters is before[1]
        assert warnings.showwarning is before[2]
