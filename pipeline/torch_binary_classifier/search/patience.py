"""How long those who wait let others compute; knows a clock only."""

from __future__ import annotations

import time

# A task that computes for longer than this, and longer than others did before they
# came to their fit, is not waited for.
PATIENCE_SECONDS = 5.0
PATIENCE_FACTOR = 4.0


class Patience:
    """Learns from the time between one fit's arrival and the next how long to wait."""

    def __init__(self) -> None:
        self._last_arrival = self._last_change = time.monotonic()
        self._longest_gap = 0.0

    @property
    def seconds(self) -> float:
        """How long nothing may change before something is done about it."""
        return max(PATIENCE_SECONDS, PATIENCE_FACTOR * self._longest_gap)

    def restart(self) -> None:
        """Note that no fit could arrive until now."""
        self._last_arrival = time.monotonic()

    def note_arrival(self) -> None:
        """Note that a fit has come to its training."""
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last_arrival)
        self._last_arrival = now

    def note_change(self) -> None:
        """Note that a task has begun, stepped down, gone on or ended."""
        self._last_change = time.monotonic()

    def is_over(self, seconds: float) -> bool:
        """Return whether nothing has changed for so long."""
        return time.monotonic() - self._last_change >= seconds
