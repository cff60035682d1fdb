import numpy as np
import pytest
import scipy.sparse
import torch

from pipeline.training import minibatches
from pipeline.training.minibatches import (
    DROPOUT,
    SHUFFLE,
    BatchReader,
    DenseRows,
    RowSet,
    SparseRows,
    batch_starts,
    member_rows,
    shuffled,
    stream_seed,
)


@pytest.mark.parametrize("smallest", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 6, 7, 8, 50])
def test_batch_starts_cover_every_row_once(n_rows, batch_size, smallest):
    batches = batch_starts(n_rows, batch_size, smallest)
    rows = [row for start, stop in batches for row in range(start, stop)]
    assert rows == list(range(n_rows))
    sizes = [stop - start for start, stop in batches]
    assert all(size == batch_size for size in sizes[:-1])
    if len(batches) > 1:
        assert sizes[-1] >= smallest


def test_batch_starts_join_a_last_row_that_is_alone():
    assert batch_starts(9, 4, smallest=1) == [(0, 4), (4, 8), (8, 9)]
    assert batch_starts(9, 4, smallest=2) == [(0, 4), (4, 9)]
    assert batch_starts(1, 4, smallest=2) == [(0, 1)]


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


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows_gather_what_dense_rows_gather(container, dtype, rng):
    values = rng.normal(size=(40, 6)).astype(dtype)
    values[rng.random(values.shape) < 0.7] = 0
    dense, sparse = DenseRows(torch.from_numpy(values)), SparseRows(container(values))
    assert len(dense) == len(sparse) == 40
    assert dense.n_features == sparse.n_features == 6
    index = torch.tensor([5, 0, 39, 5, 12])
    first = torch.empty(5, 6, dtype=torch.from_numpy(values).dtype)
    second = torch.full_like(first, torch.nan)
    dense.gather(index, first)
    sparse.gather(index, second)
    assert torch.equal(first, second)
    assert torch.equal(first, torch.from_numpy(values[index.numpy()]))
    sparse.gather(index.flip(0), second)
    assert not torch.equal(first, second)


def test_row_set_is_as_long_as_its_index():
    table = DenseRows(torch.zeros(9, 2))
    rows = RowSet(table, torch.arange(4), torch.zeros(9), torch.ones(9))
    assert len(rows) == 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_features", [1, 3, 16])
def test_member_rows_start_on_the_same_alignment(n_features, dtype):
    rows = member_rows(5, 7, n_features, dtype)
    assert rows.shape == (5, 7, n_features)
    starts = [member.data_ptr() - rows.data_ptr() for member in rows]
    assert all(start % 64 == 0 for start in starts)


def read_all(reader, orders):
    return [(number, rows.clone()) for number, rows in reader.read(orders)]


@pytest.mark.parametrize("elements", [1, 60, 1 << 18])
@pytest.mark.parametrize("shared", [True, False])
def test_batch_reader_yields_every_members_rows(elements, shared, monkeypatch):
    monkeypatch.setattr(minibatches, "GATHER_ELEMENTS", elements)
    values = torch.arange(46.0).view(23, 2)
    table = DenseRows(values)
    batches = batch_starts(23, 4, 2)
    reader = BatchReader([table] * 3, batches, torch.float32)
    for epoch in range(3):
        orders = [shuffled(torch.arange(23), seed, epoch) for seed in range(3)]
        orders = orders[:1] * 3 if shared else orders
        found = read_all(reader, orders)
        assert [number for number, _ in found] == list(range(len(batches)))
        for (start, stop), (_, rows) in zip(batches, found, strict=True):
            for member, order in enumerate(orders):
                assert torch.equal(rows[member], values[order[start:stop]])


def test_batch_reader_gathers_an_unchanged_order_once(monkeypatch):
    table = DenseRows(torch.arange(20.0).view(10, 2))
    calls = []
    gather = table.gather
    monkeypatch.setattr(
        table, "gather", lambda rows, out: calls.append(len(rows)) or gather(rows, out)
    )
    reader = BatchReader([table], [(0, 5), (5, 10)], torch.float32)
    order = torch.arange(10)
    first = read_all(reader, [order])
    again = read_all(reader, [order])
    assert calls == [10]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True))
    read_all(reader, [order.flip(0)])
    assert calls == [10, 10]
