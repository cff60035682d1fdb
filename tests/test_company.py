"""Who trains the fits of a thread."""

import threading

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
