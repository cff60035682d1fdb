import math
from dataclasses import replace

import pytest

from torch_binary_classifier.interface.settings import (
    Hyperparameters,
    StoppingHyperparameters,
)
from torch_binary_classifier.training.stopping import History, StoppingRule


def test_history_stops_when_the_loss_has_stalled():
    given = Hyperparameters(0, n_iter_no_change=2, tol=0.1, max_iter=100)
    history = History(given)
    improved = [history.add(loss, None) for loss in [1.0, 0.5, 0.45, 0.46, 0.44]]
    assert improved == [True, True, True, False, True]
    assert history.stopped
    assert history.converged
    patient = History(replace(given, tol=0.0))
    for loss in [1.0, 0.5, 0.45, 0.46, 0.44]:
        patient.add(loss, None)
    assert not patient.stopped


def test_history_watches_the_validation_loss_where_there_is_one():
    given = Hyperparameters(0, n_iter_no_change=1, tol=0.0, max_iter=100)
    history = History(given)
    for loss, watched in [(1.0, 0.5), (0.9, 0.6), (0.8, 0.7)]:
        history.add(loss, watched)
    assert history.converged
    assert history.losses == [1.0, 0.9, 0.8]
    assert history.validation_losses == [0.5, 0.6, 0.7]


def test_history_lowers_an_adaptive_rate_before_it_stops():
    given = Hyperparameters(
        0,
        learning_rate_init=2e-6,
        learning_rate="adaptive",
        n_iter_no_change=0,
        max_iter=100,
    )
    history = History(given)
    for _ in range(2):
        history.add(1.0, None)
    assert not history.stopped
    assert history.rate.at(0, 0) == pytest.approx(4e-7)
    history.add(1.0, None)
    assert history.converged


@pytest.mark.parametrize("losses", [(math.nan, None), (1.0, math.inf)])
def test_history_stops_at_a_loss_that_is_not_finite(losses):
    history = History(Hyperparameters(0))
    history.add(1.0, None if losses[1] is None else 1.0)
    assert history.diverged_epoch is None
    assert not history.add(*losses)
    assert history.stopped
    assert history.diverged_epoch == 2
    assert not history.converged


@pytest.mark.parametrize(("fall", "stops"), [(0.25, False), (0.2499, True)])
def test_a_fall_of_exactly_tol_is_an_improvement(fall, stops):
    history = History(Hyperparameters(0, tol=0.25, n_iter_no_change=1))
    loss = 64.0
    for _ in range(4):
        history.add(loss, None)
        loss -= fall
    assert history.converged is stops


def test_rule_is_met_after_more_than_so_many_epochs_without_a_fall():
    rule = StoppingRule(StoppingHyperparameters(tol=0.1, n_iter_no_change=2))
    losses = [1.0, 0.95, 0.5, 0.5, 0.45, 0.6]
    found = [(rule.add(loss), rule.is_met) for loss in losses]
    improved, met = zip(*found, strict=True)
    assert improved == (True, True, True, False, True, False)
    assert met == (False, False, False, False, False, True)
    assert rule.best == 0.45
    rule.restart()
    assert not rule.is_met
    assert rule.best == 0.45


def test_rule_takes_no_best_from_a_loss_that_is_not_a_number():
    rule = StoppingRule(StoppingHyperparameters())
    assert not rule.add(math.nan)
    assert rule.best == math.inf
    assert rule.add(2.0)
