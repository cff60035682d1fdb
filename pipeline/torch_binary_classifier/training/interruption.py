"""Ctrl-C as a request to end a training in good order; knows signals and frames."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Whether a training is to end: asked often, answered in no time.
Stop = Callable[[], bool]


def never() -> bool:
    """Return that a training is to go on."""
    return False


@contextmanager
def stopped_by_user() -> Iterator[Stop]:
    """Turn the first Ctrl-C within the block into a request to stop.

    Yields
    ------
    callable
        Whether the user has asked for the end.

    Notes
    -----
    The second Ctrl-C is a ``KeyboardInterrupt``, and so is the first one where a
    request would do harm or cannot be heard: in threads other than the main one, where
    somebody else handles the signal, and within ``joblib.Parallel``, whose other tasks
    have to end too. A search that had one fit end early would go on with the next.
    """
    if not _may_handle():
        yield never
        return
    requested = threading.Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        if requested.is_set():
            signal.default_int_handler(signum, frame)
        requested.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _may_handle() -> bool:
    """Return whether Ctrl-C now means this training and nothing else."""
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and not _within_joblib()
    )


def _within_joblib() -> bool:
    """Return whether one of several tasks of a ``joblib.Parallel`` is calling."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "joblib.parallel":
            return True
        frame = frame.f_back
    return False
