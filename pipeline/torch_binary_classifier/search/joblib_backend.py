"""What joblib hands a search's tasks to, in this process.

Knows joblib's backends; nothing of estimators, or of who trains when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib.parallel import ThreadingBackend

from torch_binary_classifier.search.gathering import Gathering, current_gathering
from torch_binary_classifier.search.memory import checked_limit
from torch_binary_classifier.search.tasks import Abandoned, Call, Task, current_task

# The n_jobs that joblib is told. It hands out twice as many tasks at once, each of
# which is a thread that mostly waits.
MOST_TASKS = 512

# In how many parts an estimator may cut its work that asks before it calls joblib,
# such as BaggingClassifier; one task per estimator up to here.
MOST_PARTS = 256


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
        self.n_slots = 1

    def configure(
        self, n_jobs: int = 1, parallel: Any = None, **_backend_kwargs: Any
    ) -> int:
        """Prepare for a call and return the number of tasks to hand out at once."""
        self.parallel = parallel
        self.call.owner = current_task()
        self.n_slots = 1
        if n_jobs != MOST_TASKS:
            self.n_slots = ThreadingBackend.effective_n_jobs(self, n_jobs)
        return self.effective_n_jobs(n_jobs)

    def start_call(self) -> None:
        """Hold tasks back until all are there."""
        self.call.is_open = False
        if self.call.owner is None:
            self.gathering.begin(self.n_slots)

    def submit(
        self, func: Callable[[], list[Any]], callback: Callable[[Any], None]
    ) -> Task:
        """Have a task begin once the caller waits and there is a slot for it."""
        task = Task(self.call, func, callback)
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
            self.gathering.finish()

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
        self.gathering = current_gathering() or Gathering(checked_limit(None))
        return super().configure(n_jobs, parallel)
