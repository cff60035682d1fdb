"""Who trains the fits of a thread."""

import threading

import numpy as np
import pytest

from builders import mlp
from torch_binary_classifier.training.run import Training, run
from torch_binary_classifier.training.trainer import thread_trainer, trained_by


def test_nobody_by_default():
    assert thread_trainer() is None


def test_trainer_is_there_inside_only():
    with trained_by(str):
        assert thread_trainer() is str
        with trained_by(int):
            assert thread_trainer() is int
        assert thread_trainer() is str
    assert thread_trainer() is None


def test_threads_of_a_thread_have_none():
    seen = []
    with trained_by(str):
        thread = threading.Thread(target=lambda: seen.append(thread_trainer()))
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.fixture
def fitted():
    """Return the trainings that a trainer has got, and a context in which it does."""
    seen = []

    def train(training):
        seen.append(training)
        return run(training)

    return seen, trained_by(train)


def network():
    given = {"learning_rate": "cosine", "max_iter": 2, "warm_start": True}
    return mlp(hidden_layer_sizes=(3,), random_state=0, **given)


def test_a_fit_hands_its_training_to_the_threads_trainer(fitted, tiny_data):
    seen, trained = fitted
    expected = network().fit(*tiny_data)
    assert seen == []
    with trained:
        found = network().fit(*tiny_data)
    (training,) = seen
    assert isinstance(training, Training)
    np.testing.assert_array_equal(found.coefs_[0], expected.coefs_[0])


def test_a_fit_that_goes_on_trains_alone(fitted, tiny_data):
    seen, trained = fitted
    model = network().fit(*tiny_data)
    with trained:
        model.fit(*tiny_data).partial_fit(*tiny_data)
    assert seen == []
