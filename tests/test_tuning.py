"""Candidates of a search: how they are measured, combined and chosen."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from builders import pipe
from torch_binary_classifier.assembly import tabular_pipeline
from torch_binary_classifier.interface.watching import OutOfTime
from torch_binary_classifier.tuning import (
    CHANGES,
    Candidate,
    default_grid,
    measured,
    settled,
    together,
)


def candidate(losses, **parameters):
    return Candidate(parameters, np.array(losses, dtype=float))


def test_candidates_are_ones_of_the_pipeline():
    unfitted = tabular_pipeline(numeric=["age"], categorical=[])
    for parameters in [*default_grid(), *({name: value} for name, value in CHANGES)]:
        found = clone(unfitted).set_params(**parameters).get_params()
        assert {name: found[name] for name in parameters} == parameters


def test_the_first_of_the_grid_is_the_default():
    assert set(default_grid()[0].values()) == {"auto"}


def test_what_is_given_is_not_in_the_grid():
    grid = default_grid({"clf__n_bins", "clf__dropout"})
    assert len(grid) == 4
    assert all(set(one) == {"clf__alpha", "clf__hidden_layer_sizes"} for one in grid)


def test_a_candidate_is_measured_as_in_a_grid_search(tiny_data):
    model = pipe(max_iter=2)
    grid = {"clf__alpha": [0.0, 10.0]}
    search = GridSearchCV(model, grid, cv=5, scoring="neg_log_loss").fit(*tiny_data)
    found = [
        measured(model, {"clf__alpha": alpha}, *tiny_data) for alpha in (0.0, 10.0)
    ]
    losses = [one.losses for one in found]
    for fold in range(5):
        expected = -search.cv_results_[f"split{fold}_test_score"]
        np.testing.assert_array_equal([own[fold] for own in losses], expected)
    assert model.get_params()["clf__alpha"] == pipe().get_params()["clf__alpha"]


def test_a_failing_candidate_fails_at_once(tiny_data):
    with pytest.raises(ValueError, match=r"^The 'C' parameter"):
        measured(LogisticRegression(), {"C": -1.0}, *tiny_data)


def test_who_is_told_may_end_it(tiny_data):
    counts = []

    class Telling:
        def __init__(self, count):
            counts.append(count)

        def __enter__(self):
            return self.advance

        def __exit__(self, *_):
            pass

        def advance(self, *done):
            counts[-1].reach(*done)
            if counts[-1].epoch == 2:
                raise OutOfTime

    with pytest.raises(OutOfTime):
        measured(pipe(), {}, *tiny_data, Telling)
    assert [(one.epoch, one.n_fits) for one in counts] == [(2, 5)]


def test_the_best_changes_are_put_together_one_value_each():
    default = candidate([0.5])
    changed = [
        candidate([0.4], a=1),
        candidate([0.6], d=1),
        candidate([0.2], b=1),
        candidate([0.1], b=2),
        candidate([0.3], c=1),
    ]
    assert together(default, changed) == [{"b": 2, "c": 1}, {"b": 2, "c": 1, "a": 1}]
    assert together(default, changed[:2]) == []


@pytest.mark.parametrize(
    ("losses", "is_taken"),
    [
        ([0.40, 0.31, 0.52], True),  # 0.1, 0.09, 0.08 lower
        ([0.30, 0.41, 0.55], False),  # 0.2, -0.01, 0.05
        ([0.60, 0.50, 0.70], False),
    ],
)
def test_the_default_stays_unless_another_is_clearly_better(losses, is_taken):
    default = candidate([0.5, 0.4, 0.6])
    other = candidate(losses, a=1)
    assert settled(default, [other]) is (other if is_taken else default)
