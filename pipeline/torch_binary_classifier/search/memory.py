"""How much memory there is, what waiting fits hold of it, and who may begin."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Real
from pathlib import Path

from torch_binary_classifier.search.interning import InternedTables
from torch_binary_classifier.search.tasks import Task
from torch_binary_classifier.training.rows import RowSet, SparseRows
from torch_binary_classifier.training.run import Training

# A table in a pipeline's last step stands for the same rows as they were before, a
# quarter as many to be scored, and what the allocator keeps of freed copies: 3.2 times
# as many bytes, measured on 80,000 x 50 float64 in glibc.
HELD_COPIES = 3.25

FREE_FRACTION = 0.25
UNKNOWN_FREE_BYTES = 2 << 30  # where the system does not say


class Memory:
    """What waiting fits hold, against a limit.

    Parameters
    ----------
    limit : float
        Bytes that they may hold.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.tables = InternedTables()
        self._held: dict[Task, float] = {}
        self._largest = 0.0

    def hold(self, task: Task, training: Training) -> None:
        """Count a task's fit, in place of the one that it came to before."""
        self._held[task] = held_bytes(training)
        self._largest = max(self._largest, self._held[task])

    def release(self, task: Task) -> None:
        """Count a task no longer."""
        self._held.pop(task, None)

    def forget_tables(self) -> None:
        """Keep no table any more for the fits that are yet to come."""
        self.tables = InternedTables()

    def has_room(self, computing: Collection[Task]) -> bool:
        """Return whether one more task may begin, beside those that compute."""
        n_unarrived = sum(task not in self._held for task in computing)
        wanted = sum(self._held.values()) + self.tables.n_bytes
        return wanted + (n_unarrived + 1) * self._largest <= self.limit


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
