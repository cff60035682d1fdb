"""``fit_many``: the only training loop of the first-order solvers.

Assigns members to blocks and blocks to threads; knows nothing of labels, estimators
or files. A single fit is the loop's case of one member.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch

from torch_binary_classifier.training.block import Block
from torch_binary_classifier.training.device import device_named
from torch_binary_classifier.training.interruption import Stop, never
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.members import (
    EpochReport,
    Member,
    MemberResult,
    Setup,
)
from torch_binary_classifier.training.rows import RowSet
from torch_binary_classifier.training.threads import (
    Team,
    bare_kernels,
    one_thread_per_kernel,
)

# State and activations of the members of a block stay within the second-level cache
# and a part of the third (measured in benchmarks/ensemble_speed.py).
BLOCK_BYTES = 2 << 20
LARGEST_BLOCK = 64

# Where the steps of all members take so many operations, as many blocks as threads
# are made. Below, the blocks' threads would wait for Python's lock more than they win.
THREADED_FLOPS = 12_000_000


def fit_many(
    architecture: Architecture,
    solver: str,
    members: Sequence[Member],
    *,
    batch_size: int,
    device: str = "cpu",
    report: EpochReport | None = None,
    stop: Stop = never,
) -> list[MemberResult]:
    """Train every member to its end.

    Parameters
    ----------
    architecture : Architecture
        Shared by all members.
    solver : {"adam", "adamw", "sgd"}
        Shared by all members.
    members : sequence of Member
        Their order is the order of the results.
    batch_size : int
        Rows per step and member, in 1 to the number of rows.
    device : str
        A torch device; results are always on the CPU.
    report : callable, optional
        Called with (member, epoch, loss, validation loss or None) after each epoch.
    stop : callable, optional
        Asked now and then between two steps. Once it says True, all members end with
        the weights that they have, or with the best ones.

    Returns
    -------
    list of MemberResult

    Notes
    -----
    A member's result depends on its own rows, hyperparameters and seed only, bit for
    bit, on one machine. Members whose batches are as large, the last one filled up, are
    stacked into blocks that fit the cache; each block is trained to its end.
    """
    results: dict[int, MemberResult] = {}
    setup = Setup(architecture, solver, batch_size, device_named(device))
    members = on_device(members, setup.device.where)

    @bare_kernels()
    def train(numbers: list[int], n_threads: int) -> None:
        chosen = {number: members[number] for number in numbers}
        with Team(n_threads) as team:
            results.update(Block(setup, chosen, team).run(report, stop))

    with one_thread_per_kernel() as n_threads, Team(n_threads) as team:
        blocks = blocks_of(setup, members, n_threads)
        inner = n_threads if len(blocks) == 1 else 1
        team.run([partial(train, numbers, inner) for numbers in blocks])
    return [results[number] for number in range(len(members))]


def on_device(members: Sequence[Member], where: torch.device) -> list[Member]:
    """Return the members with their rows on a device; shared rows stay shared."""
    moved: dict[int, Any] = {}

    def there(part: Any) -> Any:
        return moved.setdefault(id(part), part.to(where))

    def rows_there(rows: RowSet) -> RowSet:
        parts = (rows.features, rows.index, rows.targets, rows.weights)
        return RowSet(*map(there, parts))

    return [
        replace(
            member,
            train=rows_there(member.train),
            validation=member.validation and rows_there(member.validation),
        )
        for member in members
    ]


def block_size(architecture: Architecture, batch_size: int) -> int:
    """Return how many members of an architecture fit one block."""
    layout = ParameterLayout(architecture, 1)
    widths = sum(architecture.hidden_layer_sizes)
    state = 4 * layout.member_size + 2 * batch_size * widths
    return max(
        1, min(LARGEST_BLOCK, BLOCK_BYTES // (state * architecture.dtype.itemsize))
    )


def blocks_of(
    setup: Setup, members: Sequence[Member], n_threads: int
) -> list[list[int]]:
    """Return the numbers of the members of each block, small enough for the cache."""
    groups = _groups(setup, members)
    architecture = setup.architecture
    blocks = []
    for numbers in groups:
        start, stop = setup.batches(len(members[numbers[0]].train))[-1]
        n_rows = stop if start == 0 else setup.batch_size
        n_blocks = -(-len(numbers) // block_size(architecture, n_rows))
        flops = architecture.flops_per_row * n_rows * len(numbers)
        if flops >= THREADED_FLOPS and len(groups) < n_threads:
            n_blocks = max(n_blocks, min(n_threads, len(numbers)))
        bounds = [len(numbers) * part // n_blocks for part in range(n_blocks + 1)]
        blocks += [numbers[first:last] for first, last in pairwise(bounds)]
    return blocks


def _groups(setup: Setup, members: Sequence[Member]) -> list[list[int]]:
    """Return the numbers of members that one block could train.

    Members that one call can update come together, and among them those on the same
    rows, since they share a gather where their seeds are equal too.
    """
    groups: dict[Hashable, list[int]] = {}
    first_on: dict[tuple[int, int], int] = {}  # the first member on the same rows
    order = []
    for number, member in enumerate(members):
        groups.setdefault(_group_key(setup, member), []).append(number)
        rows = (id(member.train.features), id(member.train.index))
        order.append((_update_key(member), first_on.setdefault(rows, number)))
    return [sorted(numbers, key=order.__getitem__) for numbers in groups.values()]


def _group_key(setup: Setup, member: Member) -> Hashable:
    """Return what members need to share to be trained in one block."""
    held_out = 0 if member.validation is None else len(member.validation)
    n_steps = 0 if member.state is None else member.state.n_steps
    dropout = member.hyperparameters.dropout > 0
    last_batch = setup.batches(len(member.train))[-1]
    average = member.hyperparameters.weight_average
    return (last_batch, held_out, n_steps, dropout, average)


def _update_key(member: Member) -> tuple[float, ...]:
    """Return what members need to share to be updated by one call."""
    given = member.hyperparameters
    return (
        given.learning_rate_init,
        given.beta_1,
        given.beta_2,
        given.epsilon,
        given.momentum,
        float(given.nesterovs_momentum),
    )
