"""Prepared operations on fixed buffers; knows callables only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# One operation on fixed buffers, ready to be called again and again.
Kernel = Callable[[], object]


def run_all(kernels: Sequence[Kernel]) -> None:
    """Call kernels one after the other."""
    for kernel in kernels:
        kernel()
