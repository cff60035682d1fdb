"""Who computes, and who goes on next; all of it belongs to the gathering's lock."""

from __future__ import annotations

from collections import deque

from torch_binary_classifier.search.tasks import Task, WarningFilters


class Slots:
    """As many tasks compute side by side as there are slots.

    Notes
    -----
    Warning filters are global. With one slot, who steps down leaves those of the
    search behind, and takes its own along.
    """

    def __init__(self) -> None:
        self.n_slots = 1
        self.computing: set[Task] = set()
        self.ready: deque[Task] = deque()  # to go on
        self.filters: WarningFilters | None = None  # of the search

    @property
    def are_free(self) -> bool:
        """Whether another task may compute."""
        return len(self.computing) < self.n_slots

    def occupy(self, task: Task) -> None:
        """Give a task a slot."""
        task.has_slot = True
        self.computing.add(task)

    def give_next(self) -> bool:
        """Let the first task that is ready go on; False if there is none."""
        if not self.ready:
            return False
        task = self.ready.popleft()
        self.occupy(task)
        task.wake.release()
        return True

    def leave(self, task: Task) -> None:
        """Take a task's slot."""
        task.step_down()
        self.computing.discard(task)
        if self.n_slots == 1 and self.filters is not None:
            task.filters = WarningFilters()
            self.filters.put_back()

    def drop_abandoned(self) -> None:
        """Let none of the tasks go on that were given up."""
        self.ready = deque(task for task in self.ready if not task.is_abandoned)

    def restore_filters(self) -> None:
        """Put the warning filters back that the search began with."""
        if self.filters is not None:
            self.filters.put_back()
            self.filters = None
