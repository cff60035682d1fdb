"""Where the tasks of a search wait for each other, and who trains when.

Knows threads, tasks and trainings; nothing of joblib, estimators, labels or how a
member is trained.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from torch_binary_classifier.forks import run_in_children
from torch_binary_classifier.search.progress import EpochCount, shown
from torch_binary_classifier.search.together import (
    FitOutcome,
    FitReport,
    SharedTables,
    train_together,
)
from torch_binary_classifier.training.members import MemberResult
from torch_binary_classifier.training.rows import RowSet, SparseRows
from torch_binary_classifier.training.run import Training, print_epoch
from torch_binary_classifier.training.trainer import trained_by

# A table in a pipeline's last step stands for the same rows as they were before, a
# quarter as many to be scored, and what the allocator keeps of freed copies: 3.2 times
# as many bytes, measured on 80,000 x 50 float64 in glibc.
HELD_COPIES = 3.25

# A task that computes for longer than this, and longer than others did before they
# came to their fit, is not waited for.
PATIENCE_SECONDS = 5.0
PATIENCE_FACTOR = 4.0

FREE_FRACTION = 0.25
UNKNOWN_FREE_BYTES = 2 << 30  # where the system does not say

# Python 3.14 and later can keep warning filters per thread.
PER_THREAD_FILTERS = bool(getattr(sys.flags, "context_aware_warnings", False))

NOTE = "Raised in a task of a batched search:\n"


class Abandoned(BaseException):
    """The search that a task belongs to was given up while it waited."""


def checked_limit(memory_limit: int | None) -> float:
    """Return the bytes that waiting fits may hold."""
    if memory_limit is None:
        return FREE_FRACTION * free_bytes()
    number = isinstance(memory_limit, Real) and not isinstance(memory_limit, bool)
    if not (number and memory_limit > 0):
        msg = f"memory_limit must be None or > 0 bytes, got {memory_limit!r}."
        raise ValueError(msg)
    return float(memory_limit)


def free_bytes() -> float:
    """Return how much memory this process may still take, as far as can be known."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        facts = dict(line.split(":") for line in lines)
        found.append(int(facts["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError):  # not Linux
        found.append(UNKNOWN_FREE_BYTES)
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        found.append(limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no group, or "max": no limit
        pass
    return max(0, min(found))


# ------------------------------------------------------------------------- tasks


class Call:
    """The tasks of one backend instance: of a call of ``joblib.Parallel``."""

    def __init__(self) -> None:
        self.owner: Task | None = None  # the task that called, if it was one
        self.n_pending = 0
        self.is_open = False  # tasks may begin
        self.awaited = False  # by its owner, which has no slot meanwhile
        self.unopened: list[Task] = []
        self.threads: list[threading.Thread] = []

    def join(self) -> None:
        """Wait until the threads of all tasks have ended."""
        while self.threads:
            thread = self.threads.pop()
            if thread is not threading.current_thread() and _has_begun(thread):
                thread.join()


def _has_begun(thread: threading.Thread) -> bool:
    """Return whether a thread runs or ran; an interrupt may have come in between."""
    deadline = time.monotonic() + 0.1
    while thread.ident is None and time.monotonic() < deadline:
        time.sleep(0.001)
    return thread.ident is not None


class Task:
    """One task of a call, and the thread that runs it."""

    def __init__(
        self,
        gathering: Gathering,
        call: Call,
        function: Callable[[], list[Any]],
        callback: Callable[[Any], None],
    ) -> None:
        self.gathering = gathering
        self.call = call
        self.function = function
        self.callback = callback
        self.wake = threading.Semaphore(0)
        self.begun = False
        self.running = False  # has a slot
        self.abandoned = False
        self.held_bytes = 0.0
        self.filters: WarningFilters | None = None
        self.away_since = 0.0
        self.away_seconds = 0.0  # without a slot
        self.charged_seconds = 0.0  # for what others did on its behalf

    def is_within(self, call: Call) -> bool:
        """Return whether this is a task of a call, or of a call of one of its tasks."""
        inner: Call | None = self.call
        while inner is not None:
            if inner is call:
                return True
            inner = inner.owner.call if inner.owner is not None else None
        return False

    def correct_fit_time(self, results: list[Any]) -> None:
        """Take what the task waited out of the fit time that its result reports.

        scikit-learn's tasks return a dict with the wall time of their fit.
        """
        for result in results:
            if isinstance(result, dict) and isinstance(result.get("fit_time"), float):
                seconds = result["fit_time"] - self.away_seconds + self.charged_seconds
                result["fit_time"] = max(0.0, seconds)


_thread = threading.local()
run_in_children(lambda: vars(_thread).clear())  # a child is no task


def current_task() -> Task | None:
    """Return the task that this thread runs."""
    return getattr(_thread, "task", None)


class WarningFilters:
    """The warning filters of the process as they were, to be put back.

    Filters are global while tasks that wait inside ``warnings.catch_warnings`` go on
    in any order. With one slot every task gets its own back with the slot.
    """

    def __init__(self) -> None:
        self._guard = warnings.catch_warnings()
        if not PER_THREAD_FILTERS:
            self._guard.__enter__()

    def put_back(self) -> None:
        """Make them the current filters, as often as needed."""
        if not PER_THREAD_FILTERS:
            self._guard.__exit__(None, None, None)


# --------------------------------------------------------------------- gathering


@dataclass
class WaitingFit:
    """A fit that has come to its training."""

    task: Task
    training: Training
    outcome: FitOutcome | None = None


class Gathering:
    """Where tasks wait for a slot or for company, and who trains when.

    Parameters
    ----------
    memory_limit : float
        Bytes that waiting fits may hold.
    verbose : int
        0 for no line that tells how far the training is.

    Notes
    -----
    A task computes while it has one of the slots. It steps down to wait for training
    or for tasks of its own. When nobody computes and nobody can begin or go on, the
    thread of the first fit that waits trains all of them. All attributes belong to
    the lock.
    """

    def __init__(self, memory_limit: float, verbose: int = 0) -> None:
        self.memory_limit = memory_limit
        self.verbose = verbose
        self.filters: WarningFilters | None = None
        self.n_flushes = 0
        self._lock = threading.Lock()
        self._n_slots = 1
        self._running: set[Task] = set()
        self._n_threads = 0
        self._unstarted: deque[Task] = deque()
        self._ready: deque[Task] = deque()
        self._tasks: set[Task] = set()
        self._returning: set[Call] = set()  # their tasks are done, they will go on
        self._waiting: list[WaitingFit] = []
        self._batch: list[WaitingFit] = []
        self._batch_begun = False
        self._n_in_batch = 0  # not abandoned
        self._tables = SharedTables()
        self._held_bytes = 0.0
        self._largest_bytes = 0.0
        self._last_arrival = self._last_change = time.monotonic()
        self._longest_gap = 0.0

    def set_slots(self, n_slots: int) -> None:
        """Set how many tasks may compute side by side."""
        with self._lock:
            self._n_slots = n_slots
            self._last_arrival = time.monotonic()

    def open(self, call: Call) -> None:
        """Let the tasks of a call begin; before, the first would be trained alone."""
        with self._lock:
            call.is_open = True
            self._unstarted.extend(call.unopened)
            call.unopened.clear()
            self._dispatch()

    def add(self, task: Task) -> bool:
        """Take in a task; False if those who wait for it have been given up."""
        with self._lock:
            owner = task.call.owner
            if owner is not None and owner.abandoned:
                return False
            task.call.n_pending += 1
            self._returning.discard(task.call)
            self._tasks.add(task)
            if task.call.is_open:
                self._unstarted.append(task)
                self._dispatch()
            else:
                task.call.unopened.append(task)
            return True

    # Below, a leading underscore means that the caller has the lock.

    def _dispatch(self) -> None:
        """Give free slots away; have the fits trained when there is nothing else."""
        self._last_change = time.monotonic()
        while len(self._running) < self._n_slots:
            if self._ready:
                self._give_slot(self._ready.popleft())
            elif not (self._unstarted and self._has_room() and self._start_next()):
                break
        if self._is_quiet():
            self._call_for_training()

    def _give_slot(self, task: Task) -> None:
        """Let a task that waits go on."""
        task.running = True
        self._running.add(task)
        task.wake.release()

    def _has_room(self) -> bool:
        """Return whether another task may begin within the memory limit."""
        unarrived = sum(not task.held_bytes for task in self._running)
        wanted = self._held_bytes + self._tables.n_bytes
        wanted += (unarrived + 1) * self._largest_bytes
        stuck = not (self._running or self._waiting or self._batch)
        return wanted <= self.memory_limit or stuck

    def _start_next(self) -> bool:
        """Start the thread of the next task; False if the system allows no more."""
        task = self._unstarted[0]
        thread = threading.Thread(
            target=self._run, args=(task,), name="batched-fit", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            if self._n_threads == 0:
                raise
            return False
        finally:
            if thread.ident is not None:  # also when interrupted
                self._unstarted.popleft()
                task.call.threads.append(thread)
                task.begun = task.running = True
                self._running.add(task)
                self._n_threads += 1
        return True

    def _is_quiet(self) -> bool:
        """Return whether only training can bring anything on."""
        busy = self._running or self._ready or self._returning or self._batch
        return bool(self._waiting) and not busy

    def _call_for_training(self) -> None:
        """Make a batch of all that wait; the first one's thread is to train it."""
        self._batch, self._waiting = self._waiting, []
        self._n_in_batch = len(self._batch)
        self._batch_begun = False
        self._tables = SharedTables()
        self._batch[0].task.wake.release()

    def _step_down(self, task: Task) -> None:
        """Take a task's slot."""
        task.away_since = time.perf_counter()
        task.running = False
        self._running.discard(task)
        if self._n_slots == 1 and self.filters is not None:
            task.filters = WarningFilters()
            self.filters.put_back()

    def _run(self, task: Task) -> None:
        """Run a task from its beginning to its end, in its own thread."""
        _thread.task = task
        start = time.perf_counter()
        outcome: Any
        try:
            with trained_by(partial(self.train, task)):
                outcome = task.function()
            task.correct_fit_time(outcome)
        except BaseException as error:
            if not isinstance(error, Abandoned):
                _note_traceback(error)
            outcome = error
        try:
            task.callback(outcome)
        finally:
            wall = time.perf_counter() - start
            cost = wall - task.away_seconds + task.charged_seconds
            with self._lock:
                self._end(task, cost)

    def _end(self, task: Task, cost: float) -> None:
        """Take out a task that has ended."""
        self._tasks.discard(task)
        self._held_bytes -= task.held_bytes
        self._n_threads -= 1
        if task.running:
            self._step_down(task)
        call = task.call
        call.n_pending -= 1
        if call.owner is not None:
            call.owner.charged_seconds += cost
        if call.awaited and call.n_pending == 0:
            self._returning.add(call)
        self._dispatch()

    def train(self, task: Task, training: Training) -> list[MemberResult]:
        """Wait until a fit's members are trained and return their results."""
        with self._lock:
            tables = self._tables
        tables.share(training)
        fit = WaitingFit(task, training)
        with self._lock:
            self._arrive(fit)
        try:
            self._wait(task)
        finally:
            with self._lock:
                if fit in self._waiting:
                    self._waiting.remove(fit)
        assert fit.outcome is not None
        if fit.outcome.error is not None:
            raise fit.outcome.error
        return fit.outcome.results

    def _arrive(self, fit: WaitingFit) -> None:
        """Add a fit to those that wait."""
        if fit.task.abandoned:
            raise Abandoned
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last_arrival)
        self._last_arrival = now
        held = held_bytes(fit.training)
        self._largest_bytes = max(self._largest_bytes, held)
        self._held_bytes += held - fit.task.held_bytes
        fit.task.held_bytes = held
        self._waiting.append(fit)
        self._step_down(fit.task)
        self._dispatch()

    def _wait(self, task: Task) -> None:
        """Wait for a slot, without the lock; train meanwhile if it is one's turn."""
        while not task.running:
            patience = max(PATIENCE_SECONDS, PATIENCE_FACTOR * self._longest_gap)
            in_time = task.wake.acquire(timeout=patience)
            with self._lock:
                if not in_time and time.monotonic() - self._last_change >= patience:
                    self._break_silence()
                leads = self._leads(task)
                self._batch_begun |= leads
            if leads:
                self._train_batch()
            if task.abandoned:
                self._withdraw(task)
        task.away_seconds += time.perf_counter() - task.away_since
        if task.filters is not None:
            task.filters.put_back()
            task.filters = None

    def _withdraw(self, task: Task) -> None:
        """End an abandoned task, without the lock."""
        with self._lock:
            if task in self._ready:
                self._ready.remove(task)
        raise Abandoned

    def _leads(self, task: Task) -> bool:
        """Return whether it is this task that has to train a batch."""
        due = bool(self._batch) and not self._batch_begun
        return due and self._batch[0].task is task

    def _break_silence(self) -> None:
        """Go on although others compute: they may wait for those who wait here."""
        if self._ready:
            self._give_slot(self._ready.popleft())
        elif self._waiting and not self._batch:
            self._call_for_training()

    def _train_batch(self) -> None:
        """Train the batch, without the lock, and hand out its results."""
        batch = self._batch
        trainings = [fit.training for fit in batch]
        try:
            with shown(EpochCount(trainings), self.verbose) as advance:
                outcomes = train_together(trainings, self._report(trainings, advance))
        except Abandoned:
            outcomes = [FitOutcome() for _ in batch]
        except Exception as error:
            outcomes = [FitOutcome(error=error) for _ in batch]
        with self._lock:
            for fit, outcome in zip(batch, outcomes, strict=True):
                fit.outcome = outcome
                fit.task.charged_seconds += outcome.seconds
                if not fit.task.abandoned:
                    self._ready.append(fit.task)
            self._batch = []
            self.n_flushes += 1
            self._last_arrival = time.monotonic()
            self._dispatch()

    def _report(
        self, trainings: Sequence[Training], advance: Callable[[int, int, int], None]
    ) -> FitReport:
        """Return what the trainer tells of every epoch; it stops a useless batch."""

        def report(
            fit: int, place: int, epoch: int, loss: float, held_out: float | None
        ) -> None:
            if self._n_in_batch == 0:
                raise Abandoned
            advance(fit, place, epoch)
            if trainings[fit].verbose:
                print_epoch(place, epoch, loss, held_out)

        return report

    @contextmanager
    def waiting_for(self, call: Call) -> Iterator[None]:
        """Step down while a task waits for the tasks of a call of its own."""
        task = call.owner
        if task is None or current_task() is not task or not task.running:
            yield
            return
        with self._lock:
            call.awaited = True
            if call.n_pending == 0:
                self._returning.add(call)
            self._step_down(task)
            self._dispatch()
        try:
            yield
        finally:
            with self._lock:
                call.awaited = False
                self._returning.discard(call)
                self._ready.append(task)
                self._dispatch()
            self._wait(task)

    def abandon(self, call: Call) -> None:
        """Give up all tasks of a call, and theirs."""
        with self._lock:
            given_up = [task for task in self._tasks if task.is_within(call)]
            dropped = [task for task in given_up if not task.begun]
            for task in given_up:
                task.abandoned = True
            self._waiting = [fit for fit in self._waiting if not fit.task.abandoned]
            self._ready = deque(task for task in self._ready if not task.abandoned)
            self._n_in_batch = sum(not fit.task.abandoned for fit in self._batch)
            self._unstarted = deque(
                task for task in self._unstarted if not task.abandoned
            )
            for task in dropped:
                task.call.unopened.clear()
                self._tasks.discard(task)
                task.call.n_pending -= 1
            for task in given_up:
                task.wake.release()
            self._dispatch()
        for task in dropped:
            task.callback(Abandoned())

    def restore_filters(self) -> None:
        """Put the warning filters back that the call began with."""
        if self.filters is not None:
            self.filters.put_back()
            self.filters = None


def _note_traceback(error: BaseException) -> None:
    """Keep the place of an error, which joblib forgets, for who reads it."""
    if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", [])):
        error.add_note(NOTE + "".join(traceback.format_exception(error)))


def held_bytes(training: Training) -> float:
    """Return about how many bytes a waiting fit keeps from being freed."""
    tables: dict[int, RowSet] = {}
    for member in training.members:
        for rows in (member.train, member.validation):
            if rows is not None:
                tables[id(rows.features)] = rows
    total = 0
    for rows in tables.values():
        features = rows.features
        if isinstance(features, SparseRows):
            total += features.matrix.data.nbytes + features.matrix.indices.nbytes
        else:
            total += len(features) * features.n_features * 8  # the caller's float64
    return HELD_COPIES * total
