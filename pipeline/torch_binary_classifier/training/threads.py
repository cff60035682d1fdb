"""Threads of a training: those of the kernels, and those that share out its work.

Knows torch's thread count and callables; nothing of networks. Small steps lose more at
the barriers of a kernel's thread pool than they win, and lose everything when a thread
of the pool is not running (two OpenMP threads beside a busy process: 500 times slower).
So every kernel runs on one thread, and larger units of work run side by side and wait
for each other asleep.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue

import numpy as np
import torch

from torch_binary_classifier.blas_threads import OneBlasThread
from torch_binary_classifier.forks import HeldSetting

_kernel_threads = HeldSetting(
    torch.get_num_threads, partial(torch.set_num_threads, 1), torch.set_num_threads
)


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
    own = torch.get_num_threads()
    holder = object()
    threads = _kernel_threads.hold(holder)
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(own)
        _kernel_threads.release(holder)


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
        self._orders: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, tasks: Sequence[Callable[[], object]]) -> None:
        """Call all tasks; raise what one of them raised, when all have ended.

        Whoever is free takes the next task. A helper that does not get to run, on a
        busy machine, is not waited for.
        """
        work = _Work(tasks)
        n_helpers = min(self.n_threads, len(tasks)) - 1
        while len(self._threads) < n_helpers:
            self._start_helper()
        for _ in range(n_helpers):
            self._orders.put(work)
        work.take_part()
        work.wait()

    def _start_helper(self) -> None:
        """Start one thread more."""
        thread = threading.Thread(target=self._help, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _help(self) -> None:
        """Share in what is ordered, one thread per kernel, until the order to end."""
        torch.set_num_threads(1)  # a new thread knows the process's first count only
        with bare_kernels():
            while (work := self._orders.get()) is not None:
                work.take_part()

    def close(self) -> None:
        """End the helpers."""
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []


class _Work:
    """Tasks that several threads take one by one."""

    def __init__(self, tasks: Sequence[Callable[[], object]]) -> None:
        self._left = deque(tasks)
        self._n_tasks = len(tasks)
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def take_part(self) -> None:
        """Call tasks until none is left."""
        while True:
            try:
                task = self._left.popleft()
            except IndexError:
                return
            failure = None
            try:
                task()
            except BaseException as error:
                failure = error
            self._ended.put(failure)

    def wait(self) -> None:
        """Wait until every task has ended; raise the first failure."""
        failures = [self._ended.get() for _ in range(self._n_tasks)]
        for failure in failures:
            if failure is not None:
                raise failure
