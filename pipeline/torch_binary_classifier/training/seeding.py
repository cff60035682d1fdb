"""A member's random numbers in each epoch; knows seeds and row numbers only."""

from __future__ import annotations

import torch
from torch import Tensor

SHUFFLE, DROPOUT = 1, 2


def stream_seed(seed: int, epoch: int, purpose: int) -> int:
    """Return the seed of one epoch's random numbers for one purpose.

    A member's random numbers depend on its seed and the epoch only, so a run can be
    continued, or trained in any company, with the same bits. The mixing is the
    finaliser of SplitMix64 (Steele, Lea, Flood 2014, figure 16).
    """
    mask = (1 << 64) - 1
    mixed = seed & mask
    for word in (epoch, purpose):
        mixed = (mixed + 0x9E3779B97F4A7C15 * (word + 1)) & mask
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        mixed ^= mixed >> 31
    return mixed >> 1


def shuffled(
    rows: Tensor, seed: int, epoch: int, generator: torch.Generator | None = None
) -> Tensor:
    """Return the row numbers in the order of one epoch.

    ``generator`` is seeded anew; handing one over saves making it.
    """
    generator = torch.Generator() if generator is None else generator
    generator.manual_seed(stream_seed(seed, epoch, SHUFFLE))
    order = torch.randperm(len(rows), generator=generator)
    return torch.index_select(rows, 0, order.to(rows.device))
