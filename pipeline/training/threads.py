"""Threads of a training: those of the kernels, and those that share out its work.

Knows torch's thread count and callables; nothing of networks. Small
steps lose more at the barriers of a kernel's thread pool than they win, and lose
everything when a thread of the pool is not running (two OpenMP threads beside a busy
process: 500 times slower). So every kernel runs on one thread, and larger units of
work run side by side and wait for each other asleep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

import numpy as np
import torch

from pipeline.blas_threads import OneBlasThread

_lock = threading.Lock()
_active = 0
_before = 1


@contextmanager
def bare_kernels() -> Iterator[None]:
    """Give the calling thread kernels on one thread, without what surrounds them.

    That is autograd's bookkeeping, 10 % of a small step, and NumPy's warnings: an
    overflow is found by its loss.
    """
    with torch.inference_mode(), np.errstate(all="ignore"), OneBlasThread():
        yield


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


class Team:
    """The calling thread and its helpers, which share out callables.

    Parameters
    ----------
    n_threads : int
        Threads that work, the calling one included. Helpers start with the first
        ``run`` that needs them and end with ``close``.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._orders: list[SimpleQueue[Callable[[], object] | None]] = []
        self._threads: list[threading.Thread] = []
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, tasks: Sequence[Callable[[], object]]) -> None:
        """Call all tasks; raise what one of them raised, when all have ended."""
        shares = [tasks[first :: self.n_threads] for first in range(self.n_threads)]
        sent = [share for share in shares[1:] if share]
        while len(self._threads) < len(sent):
            self._start_helper()
        for orders, share in zip(self._orders, sent, strict=False):
            orders.put(_in_turn(share))
        failures: list[BaseException | None] = []
        try:
            _in_turn(shares[0])()
        except BaseException as error:
            failures.append(error)
        failures += [self._done.get() for _ in sent]
        for failure in failures:
            if failure is not None:
                raise failure

    def _start_helper(self) -> None:
        """Start one thread more."""
        orders: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        thread = threading.Thread(target=self._help, args=(orders,), daemon=True)
        self._orders.append(orders)
        self._threads.append(thread)
        thread.start()

    def _help(self, orders: SimpleQueue[Callable[[], object] | None]) -> None:
        """Do what is ordered, one thread per kernel, until the order to end."""
        torch.set_num_threads(1)  # a new thread knows the process's first count only
        with bare_kernels():
            self._obey(orders)

    def _obey(self, orders: SimpleQueue[Callable[[], object] | None]) -> None:
        """Call what is ordered and say that it is done."""
        while (order := orders.get()) is not None:
            failure = None
            try:
                order()
            except BaseException as error:
                failure = error
            self._done.put(failure)

    def close(self) -> None:
        """End the helpers."""
        for orders in self._orders:
            orders.put(None)
        for thread in self._threads:
            thread.join()
        self._orders, self._threads = [], []


def _in_turn(tasks: Sequence[Callable[[], object]]) -> Callable[[], None]:
    """Return one callable that calls all."""

    def call() -> None:
        for task in tasks:
            task()

    return call
