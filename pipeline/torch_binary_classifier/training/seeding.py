"""A member's random numbers in each epoch; knows seeds and row numbers only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHUFFLE, DROPOUT = 1, 2  # and on, for the second slice of a batch and those behind it


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


class RowOrders:
    """The orders in which members go through their rows.

    Parameters
    ----------
    rows : sequence of Tensor of shape (n_rows,)
        Each member's row numbers.
    seeds : sequence of int or None
        Each member's seed; without one it keeps to the order of its row numbers.
    """

    def __init__(self, rows: Sequence[Tensor], seeds: Sequence[int | None]) -> None:
        self.rows = list(rows)
        self.seeds = list(seeds)
        self.generator = torch.Generator()

    def of(self, epochs: Sequence[int]) -> list[Tensor]:
        """Return each member's order in an epoch; equal seeds and rows share one."""
        drawn: dict[tuple[int, int, int], Tensor] = {}
        orders = list(self.rows)
        for place, (rows, seed) in enumerate(zip(self.rows, self.seeds, strict=True)):
            if seed is None:
                continue
            key = (id(rows), seed, epochs[place])
            if key not in drawn:
                drawn[key] = shuffled(rows, seed, epochs[place], self.generator)
            orders[place] = drawn[key]
        return orders
