import numpy as np
import pytest
import scipy.sparse
import torch

from torch_binary_classifier.training.rows import DenseRows, RowSet, SparseRows


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
