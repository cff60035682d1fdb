"""Signals that end a process, as an exception that tidies up; knows no command."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

# SIGHUP, of a terminal that closes, is missing on Windows.
ENDING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if name in vars(signal)
]


class Terminated(BaseException):
    """The process was told to end.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def raised_signals() -> Iterator[None]:
    """Raise ``Terminated`` where a signal would end the process on the spot.

    Only the first one counts, so that no other disturbs what it sets in motion. A
    handler that someone else has set stays, and so do signals that are ignored, as
    under ``nohup``. Outside of the main thread, which alone hears signals, nothing
    changes. Ctrl-C is a ``KeyboardInterrupt`` from a handler of its own: to a fit
    that finds Python's, it would be a request to end early.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [one for one in ENDING if signal.getsignal(one) is signal.SIG_DFL]

    def end(number: int, _frame: FrameType | None) -> None:
        for one in ours:
            signal.signal(one, signal.SIG_IGN)
        raise Terminated(number)

    before: dict[signal.Signals, Any] = dict.fromkeys(ours, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.default_int_handler
        signal.signal(signal.SIGINT, _interrupt)
    for one in ours:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End what runs."""
    raise KeyboardInterrupt
