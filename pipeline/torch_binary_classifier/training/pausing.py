"""A call that pauses where it likes; knows threads and nothing of what is called."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Ended(BaseException):
    """Raised in a call that is paused, and is not to go on."""


class PausingCall:
    """A call in a thread of its own, which never runs while its maker does.

    Parameters
    ----------
    call : callable
        Gets the function to call in order to pause.
    """

    def __init__(self, call: Callable[[Callable[[], None]], object]) -> None:
        self.is_over = False
        self._call = call
        self._failure: BaseException | None = None
        self._is_closing = False
        self._go_on, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def resume(self) -> None:
        """Let the call run to its next pause, or its end; raise what it raised."""
        if self._thread.ident is None:
            self._thread.start()
        self._go_on.release()
        self._paused.acquire()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the call, wherever it is."""
        if self._thread.ident is not None and not self.is_over:
            self._is_closing = True
            self._go_on.release()
            self._thread.join()

    def _run(self) -> None:
        """Call."""
        self._go_on.acquire()
        try:
            self._call(self._pause)
        except Ended:
            pass
        except BaseException as error:
            self._failure = error
        self.is_over = True
        self._paused.release()

    def _pause(self) -> None:
        """Wait until the maker wants the call to go on."""
        self._paused.release()
        self._go_on.acquire()
        if self._is_closing:
            raise Ended
