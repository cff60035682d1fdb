"""Signals that would end a process unwind it, and nothing else changes."""

import os
import signal
import threading

import pytest

from torch_binary_classifier.cli.signals import ENDING, Terminated, raised_signals
from torch_binary_classifier.training.interruption import never, stopped_by_user


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def default_handlers():
    before = {one: signal.signal(one, signal.SIG_DFL) for one in ENDING}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("number", ENDING)
def test_signal_raises(number):
    with pytest.raises(Terminated, match=number.name) as caught, raised_signals():
        send(number)
    assert caught.value.number == number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_second_signal_does_not_disturb_the_first():
    tidied = []

    def run():
        with raised_signals():
            try:
                send(signal.SIGTERM)
            finally:
                for one in ENDING:
                    send(one)
                tidied.append(True)

    with pytest.raises(Terminated, match="SIGTERM"):
        run()
    assert tidied == [True]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_handlers_of_others_stay(handler):
    signal.signal(signal.SIGTERM, handler)
    with raised_signals():
        send(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_other_threads_change_nothing():
    seen = []

    def look():
        with raised_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def test_ctrl_c_is_no_request_to_a_fit():
    with raised_signals():
        with stopped_by_user() as stop:
            assert stop is never
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with stopped_by_user() as stop:
        assert stop is not never
