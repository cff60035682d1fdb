"""Warnings about a training name the line that has called for it."""

import warnings

import numpy as np
import pytest

from builders import mlp


def network(**parameters):
    return mlp(
        **{"hidden_layer_sizes": (4,), "random_state": 0, "max_iter": 3} | parameters
    )


def still_falling(X, y):
    network().fit(X, y)


def still_falling_by_lbfgs(X, y):
    network(solver="lbfgs", max_iter=1).fit(X, y)


def diverged(X, y):
    network(learning_rate_init=1e4, learning_rate="cosine").fit(X, y)


def unscaled(X, y):
    network(learning_rate="cosine").fit(X * 1e3, y)


def unscaled_stream(X, y):
    network().partial_fit(X * 1e3, y, classes=[0, 1])


def watched_on_another_scale(X, y):
    network(learning_rate="cosine").fit(X, y, X_val=X * 1e3, y_val=y)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (still_falling, "Raise max_iter or learning_rate_init, or"),
        (still_falling_by_lbfgs, "Raise max_iter, max_fun or tol"),
        (diverged, "class frequencies alone"),
        (unscaled, "not on the scale a network learns"),
        (unscaled_stream, "not on the scale a network learns"),
        (watched_on_another_scale, "X_val is not on the scale of X"),
    ],
)
def test_a_warning_is_the_callers(train, words, tiny_data):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train(*tiny_data)
    (warning,) = told
    assert words in str(warning.message)
    assert warning.filename == __file__
    assert warning.lineno == train.__code__.co_firstlineno + 1


def test_a_good_end_is_silent(tiny_data):
    network(learning_rate="cosine").fit(*tiny_data)
    assert np.isfinite(network(tol=10.0, max_iter=20).fit(*tiny_data).best_loss_)
