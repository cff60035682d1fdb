"""``batched_fits``: the fits of a search, trained as members of few tensor programs.

Knows joblib's backends; nothing of estimators, labels or how a member is trained.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import joblib
from joblib.parallel import ThreadingBackend

from torch_binary_classifier.registration import register_backend
from torch_binary_classifier.search.gathering import (
    Abandoned,
    Call,
    Gathering,
    Task,
    WarningFilters,
    checked_limit,
    current_task,
)
from torch_binary_classifier.search.progress import TaskCount, shown

register_backend()

# The n_jobs that joblib is told. It hands out twice as many tasks at once, each of
# which is a thread that mostly waits.
MOST_TASKS = 512

# In how many parts an estimator may cut its work that asks before it calls joblib,
# such as BaggingClassifier; one task per estimator up to here.
MOST_PARTS = 256

MOST_FAILURES = 3  # of workers, before a search gives up


@contextmanager
def batched_fits(
    *, backend: str | None = None, memory_limit: int | None = None, verbose: int = 0
) -> Iterator[None]:
    """Train all fits of a search together, with scikit-learn's tools unchanged.

    Inside the context every ``TorchBinaryClassifier`` that is fitted by a search or
    another tool of scikit-learn with an ``n_jobs`` waits until the others have come
    to their training too; then all are trained as members of few tensor programs.

    Parameters
    ----------
    backend : str, default=None
        Name of a joblib backend, such as "loky" or "dask", whose processes get one
        share of the tasks each, and train what is in it together. With None, and with
        a backend of threads, all happens in this process. "dask" needs a
        ``dask.distributed.Client``.
    memory_limit : int, default=None
        Bytes that the tables of waiting fits may take, in all processes together. When
        they do, what is there is trained before further fits begin. None for a quarter
        of the memory that is free here.
    verbose : int, default=0
        With 1 and more, a terminal shows how many members and epochs are trained and
        the time left; with other processes, how many tasks they have sent back.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        If a parameter is unfit or the backend is unknown.

    Notes
    -----
    ``n_jobs`` of the search says how many of its tasks may compute side by side until
    they come to their training, and from there on: one with ``n_jobs=None``, which
    is fastest for small tables, where the work is Python's. Training uses all cores.
    Processes of a ``backend`` run one task each.

    A score is the one that the search finds without this context, bit for bit, because
    members do not depend on each other. Tasks begin in the order of the plain search.

    ``mean_fit_time`` does not count the time a fit waited. Training counts with the
    time of its program divided by the members that the program served.

    Candidates that differ in ``max_iter`` only are one training, to the longest of
    them, unless every step depends on it, as with ``learning_rate="cosine"``.

    An estimator of another kind is fitted as ever, and an estimator that is fitted
    outside of joblib, as for ``refit=True``, is trained alone.

    ``joblib.parallel_config(backend="batched")`` does the same.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import GridSearchCV
    >>> from torch_binary_classifier import TorchBinaryClassifier, batched_fits
    >>> X, y = make_classification(random_state=0)
    >>> model = TorchBinaryClassifier(learning_rate="cosine", max_iter=20)
    >>> with batched_fits():
    ...     search = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=5).fit(X, y)
    >>> len(search.cv_results_["mean_test_score"])
    2
    """
    batched = make_backend(
        memory_limit=memory_limit, verbose=verbose, worker_backend=backend
    )
    with joblib.parallel_config(backend=batched):
        yield


def make_backend(
    *,
    memory_limit: int | None = None,
    verbose: int = 0,
    worker_backend: str | None = None,
) -> Backend:
    """Return what ``joblib.parallel_config(backend="batched")`` stands for.

    Parameters
    ----------
    memory_limit, verbose
        As of ``batched_fits``.
    worker_backend : str or None
        ``backend`` of ``batched_fits``.
    """
    limit = checked_limit(memory_limit)
    if worker_backend == "batched":
        msg = "backend must be a backend other than 'batched', got 'batched'."
        raise ValueError(msg)
    if worker_backend is not None:
        with joblib.parallel_config(backend=worker_backend) as config:
            workers = config["backend"]
        if not getattr(workers, "supports_sharedmem", False):
            return SharingBackend(workers, limit, verbose)
    return BatchedBackend(Gathering(limit, verbose))


class Backend(ThreadingBackend):
    """What joblib asks of a backend that takes in all tasks before the first begins."""

    default_n_jobs = MOST_TASKS

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks joblib should hand out at once: all that it can.

        ``None`` comes from those who ask before they call, to cut their work to size.
        """
        if n_jobs is None:
            return MOST_PARTS if current_task() is None else 1
        super().effective_n_jobs(n_jobs)  # refuses 0
        return MOST_TASKS

    def get_nested_backend(self) -> tuple[NestedBackend, None]:
        """Return a backend for the calls within one task, and no ``n_jobs``."""
        return NestedBackend((self.nesting_level or 0) + 1), None


class BatchedBackend(Backend):
    """Runs every task in a thread of its own and gathers their trainings.

    Parameters
    ----------
    gathering : Gathering
        Where the tasks wait for each other.
    """

    def __init__(self, gathering: Gathering) -> None:
        super().__init__()
        self.gathering = gathering
        self.call = Call()

    def configure(
        self, n_jobs: int = 1, parallel: Any = None, **_backend_kwargs: Any
    ) -> int:
        """Prepare for a call and return the number of tasks to hand out at once."""
        self.parallel = parallel
        self.call.owner = current_task()
        if self.call.owner is None:
            n_slots = 1
            if n_jobs != MOST_TASKS:
                n_slots = ThreadingBackend.effective_n_jobs(self, n_jobs)
            self.gathering.set_slots(n_slots)
        return self.effective_n_jobs(n_jobs)

    def start_call(self) -> None:
        """Hold tasks back until all are there, and remember the warning filters."""
        self.call.is_open = False
        if self.call.owner is None:
            self.gathering.filters = WarningFilters()

    def submit(
        self, func: Callable[[], list[Any]], callback: Callable[[Any], None]
    ) -> Task:
        """Have a task begin once the caller waits and there is a slot for it."""
        task = Task(self.gathering, self.call, func, callback)
        if not self.gathering.add(task):
            task.callback(Abandoned())
        return task

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Let others compute while the caller's task waits for its own tasks."""
        self.gathering.open(self.call)
        with self.gathering.waiting_for(self.call):
            yield

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Give up all tasks of the current call."""
        self.gathering.abandon(self.call)

    def stop_call(self) -> None:
        """Wait for the threads to end, and restore the warning filters."""
        self.call.join()
        if self.call.owner is None:
            self.gathering.restore_filters()

    def terminate(self) -> None:
        """Wait for the threads to end."""
        self.call.join()


class NestedBackend(BatchedBackend):
    """Serves the calls within a task; it goes with the task into other processes."""

    def __init__(self, nesting_level: int) -> None:
        ThreadingBackend.__init__(self, nesting_level=nesting_level)
        self.call = Call()

    def __reduce__(self) -> tuple[type[NestedBackend], tuple[int]]:
        return NestedBackend, (self.nesting_level,)

    def configure(
        self, n_jobs: int = 1, parallel: Any = None, **_backend_kwargs: Any
    ) -> int:
        """Prepare for a call of the task that this thread runs.

        There is none in a process that a task forked, which gathers on its own.
        """
        task = current_task()
        if task is None:
            self.gathering = Gathering(checked_limit(None))
        else:
            self.gathering = task.gathering
        return super().configure(n_jobs, parallel)


# ----------------------------------------------------------------- other processes


class SharingBackend(Backend):
    """Gives every worker of another backend one share of the tasks, to gather there.

    Parameters
    ----------
    workers : joblib backend
        Of processes on this machine or others.
    memory_limit : float
        Bytes that the waiting fits of all shares may hold.
    verbose : int
        0 for no line that tells how many tasks have come back.

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
            with (
                shown(TaskCount(len(tasks)), self.verbose) as advance,
                closing(self._outcomes([function for function, _ in tasks])) as shares,
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

    def _outcomes(
        self, functions: Sequence[Callable[[], Any]]
    ) -> Generator[tuple[int, list[Any]], None, None]:
        """Yield every share's first task and outcomes, as they come."""
        n_workers = self.workers.effective_n_jobs(-1)
        n_shares = min(n_workers, len(functions))
        bounds = [len(functions) * share // n_shares for share in range(n_shares + 1)]
        limit = self.memory_limit / n_workers
        left = {
            first: joblib.delayed(run_share)(functions[first:last], limit, first)
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
    functions: Sequence[Callable[[], Any]], memory_limit: float, first: int
) -> tuple[int, list[Any]]:
    """Run tasks in this process, their fits trained together.

    An error ends all of them, as it ends the search that they belong to.

    Returns
    -------
    first : int
        As given: the place of the share's first task in the search.
    outcomes : list
        What each task returned, or the exception that ended it.
    """
    outcomes: list[Any] = [None] * len(functions)
    gathering = Gathering(memory_limit)
    call = Call()

    def keep(place: int, outcome: Any) -> None:
        outcomes[place] = outcome
        if _is_error(outcome):
            gathering.abandon(call)

    with _share_lock:
        gathering.filters = WarningFilters()
        try:
            for place, function in enumerate(functions):
                gathering.add(Task(gathering, call, function, partial(keep, place)))
            gathering.open(call)
            call.join()
        finally:
            gathering.restore_filters()
    return first, outcomes


def _is_error(outcome: Any) -> bool:
    """Return whether a task failed; one that was given up did not."""
    return isinstance(outcome, BaseException) and not isinstance(outcome, Abandoned)
