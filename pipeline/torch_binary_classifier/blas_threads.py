"""Threads of NumPy's matrix products, as they were before afterwards.

Knows BLAS libraries only. A product on one thread gives the same bits whatever the
process allows, and waits at no barrier: larger units of work run side by side.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from torch_binary_classifier.forks import HeldSetting

_NUMPY = "numpy"  # in the path of the BLAS that comes with it
_SYMBOL_PREFIXES = ("", "scipy_")
_SYMBOL_SUFFIXES = ("", "64_", "_64")


@dataclass(frozen=True)
class _Library:
    """How to read and to set the threads of one BLAS library."""

    count: Callable[[], int]
    limit: Callable[[int], Any]


@dataclass(frozen=True)
class _Libraries:
    """The libraries with one setting for the process, and those with one per thread."""

    shared: tuple[_Library, ...]
    by_thread: tuple[_Library, ...]


@cache
def _libraries() -> _Libraries:
    """Return the BLAS libraries: looking for them takes 15 ms, so only once."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    own = [library for library in found if _NUMPY in library.filepath] or found
    shared, by_thread = [], []
    for library in own:
        openblas = _process_wide_openblas(library)
        if openblas is not None:
            shared.append(openblas)
        else:
            by_thread.append(_Library(library.get_num_threads, library.set_num_threads))
    return _Libraries(tuple(shared), tuple(by_thread))


def _process_wide_openblas(library: Any) -> _Library | None:
    """Return the functions of an OpenBLAS with its own threads.

    threadpoolctl 3.8 lets only the first thread that asks change its setting, and
    ignores the others.
    """
    if getattr(library, "threading_layer", None) != "pthreads":
        return None
    for prefix, suffix in itertools.product(_SYMBOL_PREFIXES, _SYMBOL_SUFFIXES):
        name = f"{prefix}openblas_{{}}_num_threads{suffix}"
        count = getattr(library.dynlib, name.format("get"), None)
        limit = getattr(library.dynlib, name.format("set"), None)
        if count is not None and limit is not None:
            return _Library(count, limit)
    return None


def _shared_counts() -> list[int]:
    """Return the threads of the libraries with one setting for the process."""
    return [library.count() for library in _libraries().shared]


def _restore_shared(counts: Sequence[int]) -> None:
    """Give the libraries with one setting for the process their counts."""
    _limit(_libraries().shared, counts)


def _limit_shared() -> None:
    """Give the libraries with one setting for the process one thread."""
    for library in _libraries().shared:
        library.limit(1)


def _limit(libraries: Sequence[_Library], counts: Sequence[int]) -> None:
    """Give every library its count."""
    for library, count in zip(libraries, counts, strict=True):
        library.limit(count)


_shared = HeldSetting(_shared_counts, _limit_shared, _restore_shared)


class _Depth(threading.local):
    """How many ``with`` statements of `OneBlasThread` this thread is in."""

    entered = 0


_depth = _Depth()


class OneBlasThread:
    """Sets BLAS to one thread per call, in a ``with`` statement and in this thread.

    Gives how many threads a call of this thread had before: 1 within another such
    statement of the same thread, else what the process allowed before all of them.
    Several threads may multiply at once: the last one to leave restores the process's
    counts that the first one found. Costs 5 us.
    """

    def __enter__(self) -> int:
        """Limit BLAS; return the threads per call that this thread had before."""
        by_thread = _libraries().by_thread
        self.own = [library.count() for library in by_thread]
        before = _shared.hold(self)
        _limit(by_thread, [1] * len(self.own))
        _depth.entered += 1
        return 1 if _depth.entered > 1 else min([*before, *self.own], default=1)

    def __exit__(self, *_: object) -> None:
        """Restore the counts."""
        _depth.entered -= 1
        _limit(_libraries().by_thread, self.own)
        _shared.release(self)
