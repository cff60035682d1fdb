"""What trains where: products, optimizers, slices, pieces and repeated steps.

Knows the kinds of devices; nobody else asks what kind a device is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from torch_binary_classifier.training.kernels import Kernel
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.optimizer import (
    OPTIMIZERS,
    RECORDABLE,
    OptimizerKind,
)
from torch_binary_classifier.training.pieces import Bounds
from torch_binary_classifier.training.recording import RecordedSteps, Step

# A step of so many operations is cut into slices of rows, which threads share out.
# How it is cut depends on the step alone: the bits are those of one thread.
# Two slices of 512 rows beat four of 256 by 9 %: fewer, larger products.
SLICED_FLOPS = 32_000_000
LARGEST_N_SLICES = 8
LARGE_SLICE_ROWS = 512

# Rows are gathered in pieces of about this many elements per member, so that a batch
# is still in the cache when it is used and no second copy of the table is needed.
PIECE_ELEMENTS = 1 << 16


class Device(Protocol):
    """Where tensors lie, and what is best done how there."""

    @property
    def where(self) -> torch.device:
        """The torch device."""

    @property
    def optimizers(self) -> Mapping[str, OptimizerKind]:
        """The optimizers by solver."""

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> Kernel:
        """Return what writes the members' matrix products to ``out``."""

    def slices(self, architecture: Architecture, n_rows: int) -> Bounds:
        """Return the slices of a batch of so many rows."""

    def pieces(self, n_features: int, batches: Bounds) -> list[Bounds]:
        """Return the batches of an epoch, those together that are gathered at once."""

    def repeated(self, step: Step) -> Step:
        """Return a step as it is best repeated."""


@dataclass(frozen=True)
class Cpu:
    """The CPU: NumPy's products, slices for several threads, pieces for its cache."""

    where: torch.device

    optimizers = OPTIMIZERS

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> Kernel:
        """Return what writes the members' matrix products to ``out``.

        NumPy's BLAS multiplies what torch's tensors hold. One call makes one product
        per member in a loop of its own, by the same routine as for a member alone: a
        member's bits do not depend on the members beside it. Against torch's batched
        product it saves the copy that those make of strided operands, and it takes
        matrix-vector routines where the single logit asks for them: 1.8 instead of 7.5
        microseconds for 64 rows of 100 units.
        """
        return partial(np.matmul, left.numpy(), right.numpy(), out.numpy())

    def slices(self, architecture: Architecture, n_rows: int) -> Bounds:
        """Return the slices of a batch of so many rows.

        Examples
        --------
        >>> small = Architecture(20, (100,), "relu", None, torch.float32)
        >>> CPU.slices(small, 200)
        [(0, 200)]
        >>> large = Architecture(20, (256, 128), "relu", None, torch.float32)
        >>> CPU.slices(large, 256)
        [(0, 128), (128, 256)]
        """
        n_slices = 1
        large = architecture.flops_per_row * n_rows >= SLICED_FLOPS
        # A normalisation needs the whole batch, and each slice would make the table of
        # an interpolation anew.
        divisible = (
            architecture.input_norm is None and architecture.interpolation is None
        )
        if large and divisible:
            n_slices = min(max(2, n_rows // LARGE_SLICE_ROWS), LARGEST_N_SLICES)
        return list(pairwise(n_rows * part // n_slices for part in range(n_slices + 1)))

    def pieces(self, n_features: int, batches: Bounds) -> list[Bounds]:
        """Return the batches of an epoch, those together that are gathered at once."""
        largest = max(stop - start for start, stop in batches)
        size = max(1, PIECE_ELEMENTS // (n_features + 1) // largest)
        return [batches[at : at + size] for at in range(0, len(batches), size)]

    def repeated(self, step: Step) -> Step:
        """Return the step itself."""
        return step


@dataclass(frozen=True)
class Accelerator:
    """A device with thousands of threads and memory of its own."""

    where: torch.device

    optimizers = RECORDABLE

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> Kernel:
        """Return what writes the members' matrix products to ``out``."""
        return partial(torch.matmul, left, right, out=out)

    def slices(self, architecture: Architecture, n_rows: int) -> Bounds:  # noqa: ARG002
        """Return the whole batch: all threads work on each kernel."""
        return [(0, n_rows)]

    def pieces(self, n_features: int, batches: Bounds) -> list[Bounds]:  # noqa: ARG002
        """Return the batches one by one: each is gathered to the same address."""
        return [[batch] for batch in batches]

    def repeated(self, step: Step) -> Step:
        """Return the step itself."""
        return step


class Cuda(Accelerator):
    """A GPU of Nvidia, which repeats steps that are recorded."""

    def repeated(self, step: Step) -> Step:
        """Return a step that records itself."""
        return RecordedSteps(step)


CPU = Cpu(torch.device("cpu"))
# By torch's type of device.
KINDS: dict[str, Callable[[torch.device], Device]] = {"cpu": Cpu, "cuda": Cuda}


def device_named(name: str) -> Device:
    """Return the device that torch has under a name."""
    where = torch.device(name)
    return KINDS.get(where.type, Accelerator)(where)


def resolve_device(device: str) -> str:
    """Return the torch device that a ``device`` parameter means.

    Raises
    ------
    ValueError
        If the device is unknown or not there.
    """
    if device == "auto":
        return "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        msg = f"device must be 'auto', 'cpu' or a device that is there, got {device!r}."
        raise ValueError(msg) from error
    return device
