"""Thread settings of the process during training, as they were before afterwards.

Knows torch's thread count only. Small steps lose more at the barriers of a thread
pool than they win, so every kernel runs on one thread and larger units of work run
side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_active = 0
_before = 1


@contextmanager
def one_thread_per_kernel() -> Iterator[int]:
    """Set torch to one thread per kernel; yield how many threads it had before.

    Several fits may run in several threads at once: the last one to leave restores
    the count that the first one found.
    """
    global _active, _before
    with _lock:
        if _active == 0:
            _before = torch.get_num_threads()
        _active += 1
        threads = _before
    own = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        with _lock:
            _active -= 1
            torch.set_num_threads(_before if _active == 0 else own)
