import numpy as np
import torch

from torch_binary_classifier.training.seeding import (
    DROPOUT,
    SHUFFLE,
    RowOrders,
    shuffled,
    stream_seed,
)


def test_shuffled_depends_on_seed_and_epoch_only():
    rows = torch.arange(100, 200)
    first = shuffled(rows, seed=3, epoch=5)
    torch.manual_seed(1)
    torch.rand(10)
    assert torch.equal(shuffled(rows, seed=3, epoch=5), first)
    assert torch.equal(first.sort().values, rows)
    assert not torch.equal(first, rows)
    assert not torch.equal(shuffled(rows, seed=3, epoch=6), first)
    assert not torch.equal(shuffled(rows, seed=4, epoch=5), first)


def test_stream_seed_differs_for_every_seed_epoch_and_purpose():
    seeds = [
        stream_seed(seed, epoch, purpose)
        for seed in [*range(30), 2**31, 2**32, 2**63]
        for epoch in range(30)
        for purpose in (SHUFFLE, DROPOUT)
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed(1, 2, SHUFFLE) == stream_seed(1, 2, SHUFFLE)


def test_stream_seed_bits_look_independent():
    words = [stream_seed(seed, epoch, 1) for seed in range(64) for epoch in range(64)]
    bits = np.array([[word >> bit & 1 for bit in range(63)] for word in words])
    bound = 5 / np.sqrt(len(words))
    assert abs(2 * bits.mean(axis=0) - 1).max() < bound
    correlation = np.corrcoef(bits.T) - np.eye(63)
    assert abs(correlation).max() < bound
    counting = np.array([[word >> bit & 1 for bit in range(12)] for word in range(64)])
    assert abs(2 * counting.mean(axis=0) - 1).max() > bound


def test_row_orders_are_those_of_each_members_seed_and_epoch():
    rows, others = torch.arange(30), torch.arange(30)
    orders = RowOrders([rows, rows, rows, others, rows], [3, 3, 4, 3, None])
    first, again, other_seed, other_rows, kept = orders.of([5] * 5)
    assert torch.equal(first, shuffled(rows, 3, 5))
    assert again is first
    assert torch.equal(other_seed, shuffled(rows, 4, 5))
    assert other_rows is not first
    assert kept is rows
    assert orders.of([6] * 5)[4] is rows
    later, behind, *_ = orders.of([7, 5, 5, 5, 5])
    assert torch.equal(later, shuffled(rows, 3, 7))
    assert torch.equal(behind, first)
