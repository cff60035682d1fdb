"""Fits that are trained together: by whom, whether at all, and what is told of it."""

import pytest

from builders import make_table, make_training
from torch_binary_classifier.search import company
from torch_binary_classifier.search.company import Company, WaitingFit
from torch_binary_classifier.search.programs import FitOutcome
from torch_binary_classifier.search.progress import untold
from torch_binary_classifier.search.tasks import Call, Task


@pytest.fixture
def together():
    tasks = [Task(Call(), list, lambda _: None) for _ in range(3)]
    return Company([WaitingFit(one, make_training(make_table())) for one in tasks])


def abandon(together, *numbers):
    for number in numbers:
        together.fits[number].task.is_abandoned = True


def test_is_trained_once_and_by_its_leader(together):
    first, second, _ = (fit.task for fit in together.fits)
    assert not together.claim(second)
    assert together.claim(first)
    assert not together.claim(first)


def test_is_wanted_while_one_task_waits(together):
    abandon(together, 0, 1)
    assert together.is_wanted
    abandon(together, 2)
    assert not together.is_wanted


def test_ends_at_the_first_epoch_after_the_last_task_was_given_up(
    together, monkeypatch
):
    epochs = []

    def train(trainings, report, _end):
        for epoch in range(1, 9):
            if epoch == 3:
                abandon(together, 0, 1, 2)
            report(0, 0, epoch, 0.5, None)
            epochs.append(epoch)
        return [FitOutcome() for _ in trainings]

    monkeypatch.setattr(company, "train_together", train)
    outcomes = together.train(untold)
    assert epochs == [1, 2]
    assert outcomes == [FitOutcome()] * 3


def test_an_error_of_the_trainer_is_that_of_every_fit(together, monkeypatch):
    error = MemoryError("no memory")

    def train(_trainings, _report, _end):
        raise error

    monkeypatch.setattr(company, "train_together", train)
    assert [one.error for one in together.train(untold)] == [error] * 3
