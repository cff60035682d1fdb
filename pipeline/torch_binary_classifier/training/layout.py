"""What networks share, and where their parameters lie in one buffer.

Knows sizes and tensors only: nothing of what is computed from the parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from torch_binary_classifier.training.interpolation import Interpolation

# A member's parameters of a layer fill whole pairs of 64-byte lines: vectorised
# updates of the flat buffers then treat a member the same wherever it lies.
SLOT_BYTES = 128

# A factor's parameter moves as fast as any other, and the factor so many times as far
# (Holzmueller, Grinsztajn, Steinwart, "Better by Default", NeurIPS 2024, section 3).
FACTOR_RATE = 6.0


@dataclass(frozen=True)
class Architecture:
    """What networks must share to be trained as members of one block.

    Parameters
    ----------
    n_features : int
        Width of the input.
    hidden_layer_sizes : tuple of int
        Width of every hidden layer; empty for logistic regression.
    activation : str
        A key of ``ACTIVATIONS``.
    input_norm : None or "batch"
        Whether batch normalisation, without a learned affine map, comes first.
    dtype : torch.dtype
        ``torch.float32`` or ``torch.float64``.
    input_factors : bool
        Whether each input has a trained factor in front of the first layer.
    fan_in : int or None
        For how many inputs of variance 1 the first weights are drawn; None for
        ``n_features``. The bins of one column are strongly correlated.
    interpolation : Interpolation or None
        How the first layer reads rows that are given as this says; None for rows of
        ``n_features`` inputs.
    """

    n_features: int
    hidden_layer_sizes: tuple[int, ...]
    activation: str
    input_norm: str | None
    dtype: torch.dtype
    input_factors: bool = False
    fan_in: int | None = None
    interpolation: Interpolation | None = None

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """``(in, out)`` of every layer, the logit's last."""
        widths = [self.n_features, *self.hidden_layer_sizes, 1]
        return list(pairwise(widths))

    @property
    def smallest_batch(self) -> int:
        """Rows that a batch needs: one row has no variance."""
        return 1 if self.input_norm is None else 2

    @property
    def flops_per_row(self) -> int:
        """Floating-point operations of a row's products, forward and backward.

        With P weights, P1 of them in the first layer, 2P forward, 2P for the weights'
        gradients and 2(P - P1) for those at the layers' inputs.
        """
        weights = [fan_in * fan_out for fan_in, fan_out in self.shapes]
        if self.interpolation is not None:  # two rows of a table for each column
            weights[0] = 2 * self.interpolation.n_columns * self.shapes[0][1]
        return 6 * sum(weights) - 2 * weights[0]


def factors_of(parameters: Tensor) -> Tensor:
    """Return the factors of inputs; parameters of 0 stand for factors of 1."""
    return 1 + FACTOR_RATE * parameters


class ParameterLayout:
    """Where each layer's weights and biases lie in one flat buffer of all members.

    Layer by layer, and within a layer member by member, each in a slot of whole cache
    lines. A slot begins with one matrix ``(in + 1, out)``: the weights, and the biases
    as its last row, which meet a last column of ones in the layer's inputs. Behind the
    layers comes a slot of the factors of the inputs, where there are any.
    """

    def __init__(self, architecture: Architecture, n_members: int) -> None:
        self.architecture = architecture
        self.n_members = n_members
        self.shapes = [(fan_in + 1, out) for fan_in, out in architecture.shapes]
        line = SLOT_BYTES // architecture.dtype.itemsize
        sizes = [rows * out for rows, out in self.shapes]
        if architecture.input_factors:
            sizes.append(architecture.n_features)
        self.slot_sizes = [-(-size // line) * line for size in sizes]

    @property
    def member_size(self) -> int:
        """Elements of one member, padding included."""
        return sum(self.slot_sizes)

    def new_buffer(self, device: torch.device) -> Tensor:
        """Return a flat buffer of zeros for all members."""
        size = self.n_members * self.member_size
        return torch.zeros(size, dtype=self.architecture.dtype, device=device)

    def slots(self, flat: Tensor) -> list[Tensor]:
        """Return the slots in a buffer, ``(n_members, slot_size)`` each."""
        sizes = [self.n_members * size for size in self.slot_sizes]
        parts = torch.split(flat, sizes)
        return [part.view(self.n_members, -1) for part in parts]

    def matrices(self, flat: Tensor) -> list[Tensor]:
        """Return each layer's weights and biases, ``(n_members, in + 1, out)``."""
        return [
            slot[:, : rows * out].view(self.n_members, rows, out)
            for slot, (rows, out) in zip(self.slots(flat), self.shapes, strict=False)
        ]

    def factors(self, flat: Tensor) -> Tensor:
        """Return the slot of the inputs' factors, ``(n_members, n_features)``."""
        return self.slots(flat)[-1][:, : self.architecture.n_features]

    def weights(self, flat: Tensor) -> list[Tensor]:
        """Return each layer's weights, ``(n_members, in, out)``."""
        return [matrix[:, :-1] for matrix in self.matrices(flat)]

    def segments(self, flat: Tensor, first: int, last: int) -> list[Tensor]:
        """Return flat views of the members ``first`` to ``last``, last excluded."""
        if (first, last) == (0, self.n_members):
            return [flat]
        return [slot[first:last].view(-1) for slot in self.slots(flat)]

    def spread(self, values: Sequence[float], flat: Tensor) -> None:
        """Write each member's value to all of its part of a buffer."""
        column = torch.tensor(values, dtype=flat.dtype, device=flat.device)
        for slot in self.slots(flat):
            slot.copy_(column.unsqueeze(1))

    def weight_mask(self, device: torch.device) -> Tensor:
        """Return a buffer with 1 at weights and 0 at biases."""
        flat = self.new_buffer(device)
        for weights in self.weights(flat):
            weights.fill_(1.0)
        return flat

    def member_vector(self, flat: Tensor, member: int) -> Tensor:
        """Return a copy of one member's part, ``(member_size,)``."""
        return torch.cat([slot[member] for slot in self.slots(flat)])

    def write_member(self, flat: Tensor, member: int, vector: Tensor) -> None:
        """Overwrite one member's part by a ``(member_size,)`` vector."""
        parts = torch.split(vector, self.slot_sizes)
        for slot, part in zip(self.slots(flat), parts, strict=True):
            slot[member].copy_(part)

    def compacted(self, flat: Tensor, places: list[int]) -> Tensor:
        """Return a buffer of the members at some places only."""
        return torch.cat([slot[places].view(-1) for slot in self.slots(flat)])

    def member_vector_of(
        self, coefs: Sequence[Tensor], intercepts: Sequence[Tensor]
    ) -> Tensor:
        """Pack weights ``(in, out)`` and biases ``(out,)`` of one member."""
        single = ParameterLayout(self.architecture, 1)
        flat = single.new_buffer(torch.device("cpu"))
        members = zip(single.matrices(flat), coefs, intercepts, strict=True)
        for matrix, coef, intercept in members:
            matrix[0, :-1] = coef
            matrix[0, -1] = intercept
        return flat

    def unpacked(self, vector: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Unpack a member's vector into weights ``(in, out)`` and biases ``(out,)``.

        The first weights contain the inputs' factors.
        """
        single = ParameterLayout(self.architecture, 1)
        matrices = single.matrices(vector)
        coefs = [matrix[0, :-1].clone() for matrix in matrices]
        if self.architecture.input_factors:
            coefs[0] *= factors_of(single.factors(vector)[0]).unsqueeze(1)
        return coefs, [matrix[0, -1].clone() for matrix in matrices]
