"""Prepared operations on fixed buffers; knows callables only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

# One operation on fixed buffers, ready to be called again and again.
Kernel = Callable[[], object]

# Prepares the products of two operands, (n_members, rows, inner) and (n_members,
# inner, columns), to be written to a third.
Product = Callable[[Tensor, Tensor, Tensor], Kernel]


def run_all(kernels: Sequence[Kernel]) -> None:
    """Call kernels one after the other."""
    for kernel in kernels:
        kernel()
