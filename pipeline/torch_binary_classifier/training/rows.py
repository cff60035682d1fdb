"""Tables of features, dense or sparse, and the labelled rows of a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from torch_binary_classifier.training.standardisation import Standardisation


class Rows(Protocol):
    """A table of features from which rows can be gathered."""

    n_features: int

    def __len__(self) -> int:
        """Return the number of rows."""

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows, ``(n_rows, n_features)``, to a tensor of contiguous rows."""

    def to(self, device: torch.device) -> Rows:
        """Return the table for networks on a device."""


class DenseRows:
    """Rows of a dense tensor ``(n_rows, n_features)``."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.n_features = values.shape[1]

    def __len__(self) -> int:
        return self.values.shape[0]

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows to ``out``."""
        torch.index_select(self.values, 0, rows, out=out)

    def to(self, device: torch.device) -> Rows:
        """Return the table on a device, itself where it is there."""
        values = self.values.to(device)
        return self if values is self.values else DenseRows(values)


class SparseRows:
    """Rows of a compressed sparse row matrix, made dense a few at a time.

    With a standardisation they are standardised then: shifted, most would not be zero.
    """

    def __init__(
        self,
        matrix: scipy.sparse.csr_matrix | scipy.sparse.csr_array,
        standardisation: Standardisation | None = None,
    ) -> None:
        self.matrix = matrix
        self.standardisation = standardisation
        self.n_features = matrix.shape[1]

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Write the rows to ``out``."""
        chosen = self.matrix[rows.cpu().numpy()]
        if self.standardisation is None:
            dense = chosen.toarray()
        else:
            dense = np.empty(chosen.shape)
            self.standardisation.apply(chosen, dense)
        out.copy_(torch.from_numpy(np.ascontiguousarray(dense)))

    def to(self, device: torch.device) -> Rows:  # noqa: ARG002
        """Return the table itself: rows are made dense on the CPU."""
        return self


@dataclass(frozen=True)
class RowSet:
    """Labelled rows of a table.

    Parameters
    ----------
    features : Rows
        The whole table; shared between members.
    index : Tensor of shape (n_rows,)
        Which rows of the table belong to the set.
    targets : Tensor of shape (table length,)
        Class indicators 0.0 or 1.0 of every row of the table.
    weights : Tensor of shape (table length,)
        Row weights of every row of the table, > 0.
    """

    features: Rows
    index: Tensor
    targets: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.index)
