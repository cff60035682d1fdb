"""What a fork must not copy as it is: settings that threads hold, and waiting threads.

Knows no library. A child has only the thread that forked: locks that others held would
stay locked in it, and what they meant to restore would stay as it is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


def run_in_children(function: Callable[[], object]) -> None:
    """Have a function called in every process that is forked from this one."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
        os.register_at_fork(after_in_child=function)


class HeldSetting(Generic[Value]):
    """A setting of the process that threads need changed for a while.

    The first thread that holds it changes it, the last one to release it restores it.
    A forked child begins with what was before, held by nobody.

    Parameters
    ----------
    read : callable
        Returns the setting.
    change : callable
        Sets what its holders need.
    restore : callable
        Sets it to what ``read`` had returned.
    """

    def __init__(
        self,
        read: Callable[[], Value],
        change: Callable[[], object],
        restore: Callable[[Value], object],
    ) -> None:
        self._read = read
        self._change = change
        self._restore = restore
        self._before: Value
        self._holders: set[object] = set()
        self._lock = threading.RLock()  # a signal's handler may fork within it
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=lambda: self._lock.acquire(),
                after_in_parent=lambda: self._lock.release(),
                after_in_child=self._begin_child,
            )

    def hold(self, holder: object) -> Value:
        """Change the setting for a holder; return what it was before all holders."""
        with self._lock:
            if not self._holders:
                self._before = self._read()
                self._change()
            self._holders.add(holder)
            return self._before

    def release(self, holder: object) -> None:
        """Let a holder go; restore the setting after the last one."""
        with self._lock:
            self._holders.discard(holder)
            if not self._holders:
                self._restore(self._before)

    def _begin_child(self) -> None:
        """Forget the holders, which the parent alone has."""
        self._lock = threading.RLock()
        if self._holders:
            self._holders.clear()
            self._restore(self._before)
