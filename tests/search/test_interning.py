"""Equal tables of many fits become one object."""

from dataclasses import replace

import pytest
import scipy.sparse
import torch

from builders import make_table, make_training
from torch_binary_classifier.search.interning import InternedTables
from torch_binary_classifier.training.rows import DenseRows, SparseRows

PARTS = ("features", "index", "targets", "weights")


def interned(*tables):
    """Return the training rows of fits on these tables, interned."""
    known = InternedTables()
    fits = [make_training(table) for table in tables]
    for fit in fits:
        known.intern(fit)
    return [fit.members[0].train for fit in fits]


def sparse(table, **changes):
    matrix = scipy.sparse.csr_matrix(table.features.values.numpy())
    return replace(table, features=SparseRows(matrix), **changes)


@pytest.mark.parametrize("kind", [replace, sparse])
def test_equal_content_becomes_one_object(kind):
    one, other = interned(kind(make_table()), kind(make_table()))
    for part in PARTS:
        assert getattr(one, part) is getattr(other, part)


@pytest.mark.parametrize("kind", [replace, sparse])
def test_other_content_stays_another(kind):
    one, other = interned(kind(make_table()), kind(make_table(seed=1)))
    assert one.features is not other.features
    assert one.targets is not other.targets
    assert one.index is other.index


def test_equal_bytes_of_another_shape_or_type_are_another_table():
    tables = [
        replace(make_table(n_rows), features=DenseRows(torch.zeros(size, dtype=dtype)))
        for n_rows, size, dtype in [
            (6, (6, 2), torch.float32),
            (4, (4, 3), torch.float32),
            (6, (6, 2), torch.int32),
        ]
    ]
    assert len({id(rows.features) for rows in interned(*tables)}) == 3


def test_validation_rows_are_interned_too():
    known = InternedTables()
    fits = [make_training(make_table(), make_table(9, seed=1)) for _ in range(2)]
    for fit in fits:
        known.intern(fit)
    one, other = (fit.members[0].validation for fit in fits)
    assert one.features is other.features


def test_bytes_of_equal_tables_count_once():
    known = InternedTables()
    known.intern(make_training(make_table(20, 3)))
    assert known.n_bytes == 20 * (3 * 8 + 8 + 8 + 8)
    known.intern(make_training(make_table(20, 3)))
    assert known.n_bytes == 20 * (3 * 8 + 8 + 8 + 8)
