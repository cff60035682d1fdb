from dataclasses import replace

import pytest
import torch

from torch_binary_classifier.training.epochs import EpochReader, batch_starts, filled_up
from torch_binary_classifier.training.rows import DenseRows, RowSet
from torch_binary_classifier.training.seeding import shuffled


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


def make_rows(n_rows, seed=0, weights=None):
    values = torch.arange(2.0 * n_rows).view(n_rows, 2)
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(n_rows, generator=generator) < 0.5).float()
    weights = torch.ones(n_rows) if weights is None else weights
    return RowSet(DenseRows(values), torch.arange(n_rows), targets, weights.double())


def in_pieces(batches, n_gathered):
    """Return the batches, so many together."""
    return [batches[at : at + n_gathered] for at in range(0, len(batches), n_gathered)]


def read_all(reader, orders):
    """Return copies of every batch's rows, signs, shares and offsets."""
    found = []
    for piece in reader.read(orders):
        for batch in piece.batches:
            parts = (batch.inputs.values, batch.signs, batch.shares, batch.offsets)
            found.append([part.clone() for part in parts])
    return found


@pytest.mark.parametrize("n_gathered", [1, 2, 100])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_epoch_reader_yields_every_members_rows(n_gathered, shared, weighted):
    level = torch.linspace(0.2, 3, 23) if weighted else torch.full((23,), 0.3)
    rows = make_rows(23, weights=level)
    batches = batch_starts(23, 4, 2)
    reader = EpochReader([rows] * 3, in_pieces(batches, n_gathered), torch.empty(0))
    for epoch in range(3):
        orders = [shuffled(torch.arange(23), seed, epoch) for seed in range(3)]
        orders = orders[:1] * 3 if shared else orders
        found = read_all(reader, orders)
        for (start, stop), (values, signs, shares, offsets) in zip(
            batches, found, strict=True
        ):
            for member, order in enumerate(orders):
                chosen = order[start:stop]
                targets, weights = rows.targets[chosen], level[chosen]
                assert torch.equal(values[member, :, :2], rows.features.values[chosen])
                assert (values[member, :, 2] == 1).all()
                assert torch.equal(signs[member], 2 * targets - 1)
                torch.testing.assert_close(shares[member], weights / weights.sum())
                torch.testing.assert_close(offsets[member], -targets * shares[member])


@pytest.mark.parametrize("n_gathered", [1, 100])
def test_epoch_reader_gives_parts_of_the_epochs_weight(n_gathered):
    level = torch.linspace(0.2, 3, 23)
    reader = EpochReader(
        [make_rows(23, weights=level), make_rows(23)],
        in_pieces(batch_starts(23, 4, 1), n_gathered),
        torch.empty(0),
    )
    orders = [torch.arange(23), torch.arange(23).flip(0)]
    shares = torch.cat(
        [piece.epoch_shares.clone() for piece in reader.read(orders)],
        1,
    )
    torch.testing.assert_close(shares[0], level / level.sum())
    torch.testing.assert_close(shares[1], torch.full((23,), 1 / 23))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n_gathered", [1, 100])
def test_epoch_reader_gives_no_share_to_rows_that_fill_a_batch(n_gathered, weighted):
    level = torch.linspace(0.2, 3, 80) if weighted else None
    table = make_rows(80, weights=level)
    lengths = [67, 70, 80]
    row_sets = [replace(table, index=torch.arange(n)) for n in lengths]
    batches = filled_up(batch_starts(67, 32, 1))
    assert batches == [(0, 32), (32, 64), (64, 80)]
    reader = EpochReader(row_sets, in_pieces(batches, n_gathered), torch.empty(0))
    for epoch in range(2):
        orders = [shuffled(rows.index, 0, epoch) for rows in row_sets]
        pieces = list(reader.read(orders))
        assert [batch.last for piece in pieces for batch in piece.batches].count(
            True
        ) == 1
        batch, piece = pieces[-1].batches[-1], pieces[-1]
        assert batch.last
        for place, n in enumerate(lengths):
            rows = orders[place][64:]
            weights = table.weights[rows]
            shares = batch.shares[place]
            assert (shares[n - 64 :] == 0).all()
            assert (batch.offsets[place, n - 64 :] == 0).all()
            torch.testing.assert_close(
                shares[: n - 64], (weights / weights.sum()).float()
            )
            total = table.weights[:n].sum()
            found = piece.epoch_shares[place, -16:]
            torch.testing.assert_close(found.sum(), (weights.sum() / total).float())
            counted = max(float(weights.sum()), float(n - 64))
            assert float(batch.correction[place]) == pytest.approx(
                counted / (counted - 1)
            )


def test_filled_up_never_takes_rows_away():
    for n_rows in range(1, 70):
        for batch_size in (1, 7, 16, 20, 100):
            batches = batch_starts(n_rows, batch_size, 2)
            filled = filled_up(batches)
            assert filled[:-1] == batches[:-1]
            assert filled[-1][0] == batches[-1][0]
            assert n_rows <= filled[-1][1] < n_rows + 16
            assert filled_up(filled) == filled


def test_epoch_reader_cuts_batches_into_slices():
    reader = EpochReader(
        [make_rows(10)],
        [[(0, 6), (6, 10)]],
        torch.empty(0),
        slices=lambda n_rows: [(0, n_rows // 2), (n_rows // 2, n_rows)],
    )
    (piece,) = reader.read([torch.arange(10)])
    for batch in piece.batches:
        for name in ("signs", "shares", "offsets"):
            parts = [getattr(part, name) for part in batch.parts]
            assert torch.equal(torch.cat(parts, 1), getattr(batch, name))
        values = [part.inputs.values for part in batch.parts]
        assert torch.equal(torch.cat(values, 1), batch.inputs.values)
        assert [part.n_rows for part in batch.parts] == [batch.n_rows // 2] * 2


def test_epoch_reader_corrects_the_variance_by_the_batchs_weight():
    level = torch.tensor([1.0, 3.0, 0.5, 0.25])
    reader = EpochReader(
        [make_rows(4, weights=level)], [[(0, 2), (2, 4)]], torch.empty(0)
    )
    (piece,) = reader.read([torch.arange(4)])
    found = [float(batch.correction) for batch in piece.batches]
    assert found == pytest.approx([4 / 3, 2 / 1])


def test_epoch_reader_gathers_an_unchanged_order_once(monkeypatch):
    rows = make_rows(10)
    calls = []
    gather = rows.features.gather
    monkeypatch.setattr(
        rows.features,
        "gather",
        lambda index, out: calls.append(len(index)) or gather(index, out),
    )
    reader = EpochReader([rows], [[(0, 5), (5, 10)]], torch.empty(0))
    order = torch.arange(10)
    first = read_all(reader, [order])
    again = read_all(reader, [order])
    assert calls == [10]
    for one, other in zip(first, again, strict=True):
        assert all(map(torch.equal, one, other))
    read_all(reader, [order.flip(0)])
    assert calls == [10, 10]
