"""The tasks of a search, each a thread of its own that is away most of the time.

Knows threads and warnings; nothing of joblib, trainings or when a task may compute.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from torch_binary_classifier.forks import run_in_children
from torch_binary_classifier.training.trainer import Trainer, trained_by

# Python 3.14 and later can keep warning filters per thread.
PER_THREAD_FILTERS = bool(getattr(sys.flags, "context_aware_warnings", False))

NOTE = "Raised in a task of a batched search:\n"


class Abandoned(BaseException):
    """The search that a task belongs to was given up while it waited."""


class Call:
    """The tasks of one backend instance: of a call of ``joblib.Parallel``."""

    def __init__(self) -> None:
        self.owner: Task | None = None  # the task that called, if it was one
        self.n_pending = 0
        self.is_open = False  # tasks may begin
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
    """One task of a call, and the thread that runs it.

    Parameters
    ----------
    call : Call
        What it is a task of.
    function : callable
        What it does.
    callback : callable
        Takes what the function returned, or the exception that ended it.
    """

    def __init__(
        self,
        call: Call,
        function: Callable[[], list[Any]],
        callback: Callable[[Any], None],
    ) -> None:
        self.call = call
        self.function = function
        self.callback = callback
        self.wake = threading.Semaphore(0)
        self.has_begun = False
        self.has_slot = False
        self.is_abandoned = False
        self.filters: WarningFilters | None = None
        self.away_since = 0.0
        self.away_seconds = 0.0  # without a slot
        self.charged_seconds = 0.0  # for what others did on its behalf
        self.cost_seconds = 0.0  # in the end

    def start(self, run: Callable[[Task], None]) -> None:
        """Start the thread that runs the task.

        Raises
        ------
        RuntimeError
            If the system allows no more threads.
        """
        thread = threading.Thread(
            target=run, args=(self,), name="batched-fit", daemon=True
        )
        try:
            thread.start()
        finally:
            if thread.ident is not None:  # also when interrupted
                self.call.threads.append(thread)
                self.has_begun = True

    def run(self, trainer: Trainer) -> None:
        """Run the function, in the task's thread, and hand on what comes of it."""
        _thread.task = self
        start = time.perf_counter()
        outcome: Any
        try:
            with trained_by(trainer):
                outcome = self.function()
            self._correct_fit_time(outcome)
        except BaseException as error:
            if not isinstance(error, Abandoned):
                _note_traceback(error)
            outcome = error
        try:
            self.callback(outcome)
        finally:
            wall = time.perf_counter() - start
            self.cost_seconds = wall - self.away_seconds + self.charged_seconds

    def step_down(self) -> None:
        """Note that the task has no slot from now on."""
        self.has_slot = False
        self.away_since = time.perf_counter()

    def go_on(self) -> None:
        """Note, in the task's thread, that it has a slot again."""
        self.away_seconds += time.perf_counter() - self.away_since
        if self.filters is not None:
            self.filters.put_back()
            self.filters = None

    def is_within(self, call: Call) -> bool:
        """Return whether this is a task of a call, or of a call of one of its tasks."""
        inner: Call | None = self.call
        while inner is not None:
            if inner is call:
                return True
            inner = inner.owner.call if inner.owner is not None else None
        return False

    def _correct_fit_time(self, results: list[Any]) -> None:
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


def _note_traceback(error: BaseException) -> None:
    """Keep the place of an error, which joblib forgets, for who reads it."""
    if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", [])):
        error.add_note(NOTE + "".join(traceback.format_exception(error)))


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
