"""Where the tasks of a search wait for each other, and who trains when.

Knows tasks and their fits; nothing of joblib, estimators, labels or how a member is
trained. The states of a task, and what moves it on, are drawn in README.md.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch_binary_classifier.forks import run_in_children
from torch_binary_classifier.search.company import Company, WaitingFit
from torch_binary_classifier.search.memory import Memory
from torch_binary_classifier.search.patience import Patience
from torch_binary_classifier.search.progress import Telling, untold
from torch_binary_classifier.search.slots import Slots
from torch_binary_classifier.search.tasks import (
    Abandoned,
    Call,
    Task,
    WarningFilters,
    current_task,
)
from torch_binary_classifier.training.members import MemberResult
from torch_binary_classifier.training.run import Training


class Gathering:
    """Where tasks wait for a slot or for company, and who trains when.

    Parameters
    ----------
    memory_limit : float
        Bytes that waiting fits may hold.
    telling : callable, default=untold
        Gets the count of every company, and tells of it while that is trained.

    Notes
    -----
    A task computes while it has one of the slots. It steps down to wait for training
    or for tasks of its own. When nobody computes and nobody can begin or go on, the
    thread of the first fit that waits trains all of them. All attributes belong to
    the lock.
    """

    def __init__(self, memory_limit: float, telling: Telling = untold) -> None:
        self.memory = Memory(memory_limit)
        self.telling = telling
        self._lock = threading.Lock()
        self._slots = Slots()
        self._patience = Patience()
        self._tasks: set[Task] = set()  # that have not ended
        self._unstarted: deque[Task] = deque()
        self._awaited: set[Call] = set()  # by their owners, which have no slot
        self._waiting: list[WaitingFit] = []
        self._company: Company | None = None  # in training

    def begin(self, n_slots: int = 1) -> None:
        """Begin a search, of which so many tasks may compute side by side."""
        with self._lock:
            self._slots.n_slots = n_slots
            self._slots.filters = WarningFilters()
            self._patience.restart()

    def finish(self) -> None:
        """End a search, with the warning filters as they were at its beginning."""
        self._slots.restore_filters()

    def add(self, task: Task) -> bool:
        """Take in a task; False if those who wait for it have been given up."""
        with self._lock:
            owner = task.call.owner
            if owner is not None and owner.is_abandoned:
                return False
            task.call.n_pending += 1
            self._tasks.add(task)
            if task.call.is_open:
                self._unstarted.append(task)
                self._dispatch()
            else:
                task.call.unopened.append(task)
            return True

    def open(self, call: Call) -> None:
        """Let the tasks of a call begin; before, the first would be trained alone."""
        with self._lock:
            call.is_open = True
            self._unstarted.extend(call.unopened)
            call.unopened.clear()
            self._dispatch()

    @contextmanager
    def waiting_for(self, call: Call) -> Iterator[None]:
        """Step down while a task waits for the tasks of a call of its own."""
        task = call.owner
        if task is None or current_task() is not task or not task.has_slot:
            yield
            return
        with self._lock:
            self._awaited.add(call)
            self._slots.leave(task)
            self._dispatch()
        try:
            yield
        finally:
            with self._lock:
                self._awaited.discard(call)
                self._slots.ready.append(task)
                self._dispatch()
            self._wait(task)

    def train(self, task: Task, training: Training) -> list[MemberResult]:
        """Wait until a fit's members are trained and return their results."""
        with self._lock:
            tables = self.memory.tables
        tables.intern(training)
        fit = WaitingFit(task, training)
        with self._lock:
            if task.is_abandoned:
                raise Abandoned
            self._patience.note_arrival()
            self.memory.hold(task, training)
            self._waiting.append(fit)
            self._slots.leave(task)
            self._dispatch()
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

    def abandon(self, call: Call) -> None:
        """Give up all tasks of a call, and theirs."""
        with self._lock:
            given_up = [task for task in self._tasks if task.is_within(call)]
            dropped = [task for task in given_up if not task.has_begun]
            for task in given_up:
                task.is_abandoned = True
            self._waiting = [fit for fit in self._waiting if not fit.task.is_abandoned]
            self._slots.drop_abandoned()
            self._unstarted = deque(
                task for task in self._unstarted if not task.is_abandoned
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

    # ------------------------------------------------------------- with the lock

    def _dispatch(self) -> None:
        """Give free slots away; have the fits trained when there is nothing else."""
        self._patience.note_change()
        while self._slots.are_free:
            if not (self._slots.give_next() or self._start_next()):
                break
        returning = any(call.n_pending == 0 for call in self._awaited)
        if not (self._slots.computing or returning):
            self._call_for_training()

    def _start_next(self) -> bool:
        """Start the thread of the next task; False if there is none or no room."""
        idle = not (self._slots.computing or self._waiting or self._company)
        has_room = idle or self.memory.has_room(self._slots.computing)
        if not (self._unstarted and has_room):
            return False
        task = self._unstarted[0]
        try:
            task.start(self._run)
        except RuntimeError:  # the system allows no more threads
            if not any(other.has_begun for other in self._tasks):
                raise
            return False
        finally:
            if task.has_begun:
                self._unstarted.popleft()
                self._slots.occupy(task)
        return True

    def _call_for_training(self) -> None:
        """Make a company of all that wait, unless another is in training."""
        if self._waiting and self._company is None:
            self._company, self._waiting = Company(self._waiting), []
            self.memory.forget_tables()
            self._company.leader.wake.release()

    # ---------------------------------------------- without it, in a task's thread

    def _run(self, task: Task) -> None:
        """Run a task from its beginning to its end."""
        _thread.gathering = self
        try:
            task.run(partial(self.train, task))
        finally:
            with self._lock:
                self._tasks.discard(task)
                self.memory.release(task)
                if task.has_slot:
                    self._slots.leave(task)
                task.call.n_pending -= 1
                if task.call.owner is not None:
                    task.call.owner.charged_seconds += task.cost_seconds
                self._dispatch()

    def _wait(self, task: Task) -> None:
        """Wait for a slot; train the others meanwhile if it is the task's turn."""
        while not task.has_slot:
            patience = self._patience.seconds
            in_time = task.wake.acquire(timeout=patience)
            with self._lock:
                # Who computes may wait for those who wait here.
                overdue = not in_time and self._patience.is_over(patience)
                if overdue and not self._slots.give_next():
                    self._call_for_training()
                company = self._company
                leads = company is not None and company.claim(task)
            if company is not None and leads:
                self._train(company)
            if task.is_abandoned:
                with self._lock:
                    self._slots.drop_abandoned()
                raise Abandoned
        task.go_on()

    def _train(self, company: Company) -> None:
        """Train a company and hand out its results."""
        outcomes = company.train(self.telling)
        with self._lock:
            for fit, outcome in zip(company.fits, outcomes, strict=True):
                fit.outcome = outcome
                fit.task.charged_seconds += outcome.seconds
                if not fit.task.is_abandoned:
                    self._slots.ready.append(fit.task)
            self._company = None
            self._patience.restart()
            self._dispatch()


_thread = threading.local()
run_in_children(lambda: vars(_thread).clear())  # a child gathers on its own


def current_gathering() -> Gathering | None:
    """Return where the task waits that this thread runs."""
    return getattr(_thread, "gathering", None)
