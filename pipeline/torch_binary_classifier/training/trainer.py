"""Who trains the fits of the current thread; knows threads only.

The classifier asks, and hands the answer down. Outside of ``batched_fits`` there is no
trainer, and a fit trains at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch_binary_classifier.forks import run_in_children

Trainer = Callable[[Any], Any]  # from a Training to its members' results

_thread = threading.local()
run_in_children(lambda: vars(_thread).clear())  # a child trains alone


def thread_trainer() -> Trainer | None:
    """Return who trains the fits of this thread; None if they train themselves."""
    return getattr(_thread, "trainer", None)


@contextmanager
def trained_by(trainer: Trainer) -> Iterator[None]:
    """Hand all trainings of this thread to a trainer; its own threads get none."""
    before = thread_trainer()
    _thread.trainer = trainer
    try:
        yield
    finally:
        _thread.trainer = before
