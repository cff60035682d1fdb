"""The table that is searched on, and what the searches leave to be counted."""

import threading

import numpy as np
import pytest

from torch_binary_classifier.search import company, programs


@pytest.fixture(scope="session")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(loc=3, scale=2, size=(121, 4))
    return X, (X[:, 0] + X[:, 1] + rng.normal(size=121) > 6).astype(int)


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert "batched-fit" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def companies(monkeypatch):
    """Count the fits of every company that is trained."""
    sizes = []
    train = company.train_together

    def counted(trainings, *rest):
        sizes.append(len(trainings))
        return train(trainings, *rest)

    monkeypatch.setattr(company, "train_together", counted)
    return sizes


@pytest.fixture
def trained(monkeypatch):
    """Count the members of every program that runs."""
    sizes = []
    run = programs.run

    def counted(training, *rest):
        sizes.append(len(training.members))
        return run(training, *rest)

    monkeypatch.setattr(programs, "run", counted)
    return sizes
