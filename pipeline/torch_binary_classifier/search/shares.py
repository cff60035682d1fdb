"""A search's tasks shared out to the workers of another joblib backend.

A share is a run of consecutive tasks for one worker, which gathers them on its own.
"""

from __future__ import annotations

import tempfile
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import joblib

from torch_binary_classifier.search.gathering import Gathering
from torch_binary_classifier.search.joblib_backend import Backend
from torch_binary_classifier.search.progress import (
    ShareReport,
    TaskCount,
    shown,
    untold,
)
from torch_binary_classifier.search.tasks import Abandoned, Call, Task

MOST_FAILURES = 3  # of workers, before a search gives up


class SharingBackend(Backend):
    """Gives every worker of another backend one share of the tasks, to gather there.

    Parameters
    ----------
    workers : joblib backend
        Of processes on this machine or others.
    memory_limit : float
        Bytes that the waiting fits of all shares may hold.
    verbose : int
        0 for no line that tells how far they are.

    Notes
    -----
    A share is a run of consecutive tasks, because those of one candidate follow one
    another and train best together.
    """

    def __init__(self, workers: Any, memory_limit: float, verbose: int) -> None:
        super().__init__()
        # Not nested: the backends refuse processes below the first level.
        workers.nesting_level = 0
        self.workers = workers
        self.memory_limit = memory_limit
        self.verbose = verbose
        self.tasks: list[tuple[Callable[[], list[Any]], Callable[[Any], None]]] = []

    def configure(
        self, n_jobs: int = 1, parallel: Any = None, **_backend_kwargs: Any
    ) -> int:
        """Prepare for a call and return the number of tasks to hand out at once."""
        self.parallel = parallel
        return self.effective_n_jobs(n_jobs)

    def submit(
        self, func: Callable[[], list[Any]], callback: Callable[[Any], None]
    ) -> None:
        """Keep a task until the caller waits for it."""
        self.tasks.append((func, callback))

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Have the tasks run, also those that joblib hands out when some are done."""
        while self.tasks:
            tasks, self.tasks = self.tasks, []
            functions = [function for function, _ in tasks]
            with (
                self._told(len(tasks)) as (advance, folder),
                closing(self._outcomes(functions, folder)) as shares,
            ):
                for first, outcomes in shares:
                    share = list(zip(tasks[first:], outcomes, strict=False))
                    failed = [pair for pair in share if _is_error(pair[1])]
                    for (_, callback), outcome in failed or share:
                        callback(outcome)
                    advance(len(outcomes))
                    if failed:
                        break  # joblib ends the call
        yield

    @contextmanager
    def _told(self, n_tasks: int) -> Iterator[tuple[Callable[[int], None], str | None]]:
        """Yield what counts tasks, and the folder where workers tell of theirs."""
        if not self.verbose:
            yield lambda _: None, None
            return
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            shown(TaskCount(n_tasks, folder)) as advance,
        ):
            yield advance, folder

    def _outcomes(
        self, functions: Sequence[Callable[[], Any]], folder: str | None
    ) -> Generator[tuple[int, list[Any]], None, None]:
        """Yield every share's first task and outcomes, as they come."""
        n_workers = self.workers.effective_n_jobs(-1)
        n_shares = min(n_workers, len(functions))
        bounds = [len(functions) * share // n_shares for share in range(n_shares + 1)]
        limit = self.memory_limit / n_workers
        left = {
            first: joblib.delayed(run_share)(
                functions[first:last], limit, first, folder
            )
            for first, last in pairwise(bounds)
        }
        n_failures = 0
        while left:
            try:
                with closing(self._run_all(list(left.values()))) as shares:
                    for first, outcomes in shares:
                        del left[first]
                        yield first, outcomes
            except Exception:  # a worker is lost; errors of a task are outcomes
                n_failures += 1
                if n_failures == MOST_FAILURES:
                    raise

    def _run_all(self, jobs: Sequence[Any]) -> Generator[Any, None, None]:
        """Yield the jobs' results, one by one where the backend can."""
        used: list[tuple[Any, Any]] = []
        try:
            with closing(self._results(self._sent(jobs, used))) as results:
                yield from results
        finally:
            for executor, queue in used:
                _end_feeder(executor, queue)

    def _sent(self, jobs: Sequence[Any], used: list[tuple[Any, Any]]) -> Iterator[Any]:
        """Yield the jobs; note the executor and queue of loky, if those send them.

        joblib forgets both at an error, and has them from the first job on.
        """
        executor = getattr(self.workers, "_workers", None)
        queue = getattr(executor, "_call_queue", None)
        if queue is not None:
            used.append((executor, queue))
        yield from jobs

    def _results(self, jobs: Iterator[Any]) -> Generator[Any, None, None]:
        """Yield the jobs' results; closed, end what still runs."""
        lazy = self.workers.supports_return_generator
        with joblib.parallel_config(backend=self.workers, n_jobs=-1):
            run = joblib.Parallel(
                batch_size=1,
                pre_dispatch="all",
                return_as="generator_unordered" if lazy else "list",
            )
        results = run(jobs)
        try:
            # "yield from" would close them itself, and joblib warn.
            for result in results:  # noqa: UP028
                yield result
        finally:
            if lazy:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of jobs that nobody needs now
                    results.close()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Forget the tasks that have not begun."""
        self.tasks = []

    def terminate(self) -> None:
        """Leave the workers, which serve further calls."""


def _end_feeder(executor: Any, queue: Any) -> None:
    """End the thread that still writes to the workers of a loky executor that are dead.

    loky 3.6 keeps the reading end of their pipe open, so that the write never ends.
    """
    if executor._flags.broken or executor._flags.shutdown:
        queue._reader.close()


_share_lock = threading.Lock()  # warning filters are the process's


def run_share(
    functions: Sequence[Callable[[], Any]],
    memory_limit: float,
    first: int,
    folder: str | None = None,
) -> tuple[int, list[Any]]:
    """Run tasks in this process, their fits trained together.

    An error ends all of them, as it ends the search that they belong to. How far they
    are stands in a file of the folder, if that is one of this machine.

    Returns
    -------
    first : int
        As given: the place of the share's first task in the search.
    outcomes : list
        What each task returned, or the exception that ended it.
    """
    outcomes: list[Any] = [None] * len(functions)
    telling = untold if folder is None else ShareReport(folder, first).telling
    gathering = Gathering(memory_limit, telling)
    call = Call()

    def keep(place: int, outcome: Any) -> None:
        outcomes[place] = outcome
        if _is_error(outcome):
            gathering.abandon(call)

    with _share_lock:
        gathering.begin()
        try:
            for place, function in enumerate(functions):
                gathering.add(Task(call, function, partial(keep, place)))
            gathering.open(call)
            call.join()
        finally:
            gathering.finish()
    return first, outcomes


def _is_error(outcome: Any) -> bool:
    """Return whether a task failed; one that was given up did not."""
    return isinstance(outcome, BaseException) and not isinstance(outcome, Abandoned)
