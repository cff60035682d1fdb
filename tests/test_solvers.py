"""The table of solvers says what the trainer and the estimator do."""

import pytest

from builders import mlp
from torch_binary_classifier.interface.solvers import SOLVERS
from torch_binary_classifier.training.optimizer import OPTIMIZERS


def names(fact):
    return {name for name, solver in SOLVERS.items() if getattr(solver, fact)}


def test_every_solver_has_a_program():
    assert set(SOLVERS) == set(OPTIMIZERS) | names("full_batch")
    assert not set(OPTIMIZERS) & names("full_batch")


def test_what_takes_all_rows_at_once_learns_from_no_stream():
    assert names("partial_fit") == set(SOLVERS) - names("full_batch")


def test_what_has_moments_of_squares_has_an_epsilon():
    having = {
        name
        for name, kind in OPTIMIZERS.items()
        if "second_moment" in kind.moment_names
    }
    assert names("epsilon") == having


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_partial_fit_is_there_where_the_table_says(solver):
    model = mlp(solver=solver)
    assert hasattr(model, "partial_fit") is SOLVERS[solver].partial_fit


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_dropout_is_refused_where_the_table_says(solver, tiny_data):
    given = {"learning_rate": "cosine", "max_iter": 300, "tol": 0.1, "dropout": 0.1}
    model = mlp(hidden_layer_sizes=(3,), solver=solver, **given)
    if SOLVERS[solver].dropout:
        assert model.fit(*tiny_data).n_iter_ > 1
        return
    sentence = f"^dropout must be 0 with solver='{solver}', got 0.1\\.$"
    with pytest.raises(ValueError, match=sentence):
        model.fit(*tiny_data)


@pytest.mark.parametrize("solver", [None, 3, ["adam"], "newton"])
def test_an_unknown_solver_leaves_partial_fit_to_the_rules(solver):
    assert hasattr(mlp(solver=solver), "partial_fit")
