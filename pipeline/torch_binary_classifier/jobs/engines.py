"""Who scores the parts: threads here, or workers of Dask; knows no files."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch_binary_classifier.blas_threads import OneBlasThread
from torch_binary_classifier.jobs.part_scorer import (
    PartScorer,
    PartTask,
    RejectedPart,
)
from torch_binary_classifier.jobs.record import PartRecord

__all__ = ["ENGINES", "Done", "Engine"]

Done = PartRecord | RejectedPart
# What is waited for, one after the other: done, or to be asked for.
Asked = Callable[[], Done]
ENGINES = ("dask", "threads")
# Parts that are read while all threads are busy.
N_AHEAD = 1


@dataclass(frozen=True)
class Engine:
    """Who scores the parts of a job.

    Attributes
    ----------
    name : {"dask", "threads"}
        Workers of Dask, or threads of this process.
    n_parallel : int
        How many parts are scored at a time by threads, or by workers on this machine.
    scheduler : str or None
        Address of Dask's scheduler; None for workers on this machine.

    Raises
    ------
    ValueError
        If there is a scheduler for threads.
    """

    name: str
    n_parallel: int
    scheduler: str | None

    def __post_init__(self) -> None:
        if self.scheduler is not None and self.name != "dask":
            msg = (
                "scheduler must be None unless engine is 'dask', got "
                f"{self.scheduler!r}."
            )
            raise ValueError(msg)

    def done(
        self, tasks: Iterable[PartTask | PartRecord], scorer: PartScorer
    ) -> Iterator[Done]:
        """Yield what became of each part, in order.

        Parameters
        ----------
        tasks : iterable of PartTask or PartRecord
            The parts, read from as there is someone free; what is a record is done
            already.
        scorer : PartScorer
            Scores one.

        Yields
        ------
        PartRecord or RejectedPart
            As ``scorer`` returned it.

        Raises
        ------
        ValueError
            If Dask is not installed.
        """
        if self.name == "dask":
            return _in_dask(tasks, scorer, self.n_parallel, self.scheduler)
        return _in_threads(tasks, scorer, self.n_parallel)


def _in_threads(
    tasks: Iterable[PartTask | PartRecord], scorer: PartScorer, n_threads: int
) -> Iterator[Done]:
    """Yield what became of each part, scored by threads of this process."""
    tasks = iter(tasks)
    first = list(itertools.islice(tasks, 2))
    if n_threads == 1 or len(first) < 2:  # the model itself may use the cores
        for task in itertools.chain(first, tasks):
            yield _done(task, scorer)
        return
    with ThreadPoolExecutor(n_threads) as pool:

        def ask(task: PartTask) -> Asked:
            return pool.submit(_scored, scorer, task).result

        try:
            yield from _in_order(
                itertools.chain(first, tasks), ask, n_threads + N_AHEAD
            )
        finally:
            pool.shutdown(cancel_futures=True)


def _in_dask(
    tasks: Iterable[PartTask | PartRecord],
    scorer: PartScorer,
    n_workers: int,
    scheduler: str | None,
) -> Iterator[Done]:
    """Yield what became of each part; one whose worker died is given to another."""
    with _client(n_workers, scheduler) as client:
        held = client.scatter(scorer, broadcast=True)

        def ask(task: PartTask) -> Asked:
            asked: Asked = client.submit(_scored, held, task, pure=False).result
            return asked

        n_asked = 2 * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        yield from _in_order(tasks, ask, n_asked)


def _scored(scorer: PartScorer, task: PartTask) -> Done:
    """Score a part in one of several threads, which shall start none of its own."""
    with OneBlasThread():
        return scorer(task)


def _done(task: PartTask | PartRecord, scorer: PartScorer) -> Done:
    """Return what became of a part."""
    return task if isinstance(task, PartRecord) else scorer(task)


def _in_order(
    tasks: Iterable[PartTask | PartRecord],
    ask: Callable[[PartTask], Asked],
    n_asked: int,
) -> Iterator[Done]:
    """Ask for a few parts at a time, and yield what became of them in their order."""
    waiting: deque[Asked] = deque()
    for task in tasks:
        if isinstance(task, PartRecord):
            waiting.append(_Known(task))
        else:
            waiting.append(ask(task))
        if len(waiting) > n_asked:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


class _Known:
    """What is done already."""

    def __init__(self, record: PartRecord) -> None:
        self._record = record

    def __call__(self) -> PartRecord:
        return self._record


@contextmanager
def _client(n_workers: int, scheduler: str | None) -> Iterator[Any]:
    """Connect to a cluster, or start one on this machine."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        msg = (
            "engine 'dask' must have the packages dask and distributed, got none. "
            "Install torch-binary-classifier[dask]."
        )
        raise ValueError(msg) from error
    if scheduler is not None:
        with distributed.Client(scheduler) as client:
            yield client
        return
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
