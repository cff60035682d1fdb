"""Rows to score without learning from them; knows networks and row sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from torch_binary_classifier.training.factors import InputFactors
from torch_binary_classifier.training.kernels import Product, run_all
from torch_binary_classifier.training.layers import Units
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import (
    FixedNormInput,
)
from torch_binary_classifier.training.objective import member_losses
from torch_binary_classifier.training.rows import RowSet
from torch_binary_classifier.training.state import BlockState

EVALUATION_ROWS = 1024


@dataclass(frozen=True)
class Evaluation:
    """Rows to score without learning from them, for all members of a block.

    Shapes ``(n_members or 1, n_rows, n_features)``, ``(n_members, n_rows)`` twice.
    """

    features: Tensor
    signs: Tensor
    shares: Tensor

    @classmethod
    def of(
        cls,
        row_sets: Sequence[RowSet | None],
        like: Tensor,
    ) -> Evaluation | None:
        """Gather the members' validation rows; None where they have none.

        ``like`` tells type and device of what is gathered.
        """
        present = [rows for rows in row_sets if rows is not None]
        if not present:
            return None
        first = present[0]
        shared = all(
            rows.index is first.index and rows.features is first.features
            for rows in present
        )
        held = [first] if shared else present
        shape = (len(held), len(first), first.features.n_features)
        features = like.new_empty(shape)
        for slot, rows in zip(features, held, strict=True):
            rows.features.gather(rows.index, slot)
        # One column more than rows, as in a piece of an epoch.
        labels = features.new_zeros(2, len(present), len(first) + 1)[..., :-1]
        for place, rows in enumerate(present):
            labels[0, place] = 2 * rows.targets[rows.index] - 1
            weights = rows.weights[rows.index]
            labels[1, place] = weights / weights.double().sum()
        return cls(features, labels[0], labels[1])


class Scorer:
    """Logits of the members' networks, without dropout, by the running statistics."""

    def __init__(self, state: BlockState, product: Product) -> None:
        self.state = state
        self.product = product
        self.unused = torch.empty_like(state.parameters)  # the gradients
        self._networks: dict[int, Network] = {}
        self._factors = (
            InputFactors(state.layout, state.parameters)
            if state.layout.architecture.input_factors
            else None
        )

    def network(self, n_rows: int) -> Network:
        """Return the network for so many rows."""
        if n_rows not in self._networks:
            self._networks[n_rows] = Network(
                self.state.layout,
                self.state.parameters,
                self.unused,
                n_rows,
                product=self.product,
                first=self._factors.scaled if self._factors else None,
            )
        return self._networks[n_rows]

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of ``(n_members or 1, n_rows, n_features)`` rows."""
        layout, n_rows = self.state.layout, features.shape[1]
        logits = self.unused.new_zeros(layout.n_members, n_rows + 1)[:, :-1]
        if self._factors is not None:
            run_all(self._factors.forward_kernels())
        for start in range(0, n_rows, EVALUATION_ROWS):
            part = features[:, start : start + EVALUATION_ROWS]
            inputs = Units(Units.of(part).values.expand(layout.n_members, -1, -1))
            if layout.architecture.input_norm is not None:
                norm = FixedNormInput(self.state.statistics, part.shape[1])
                inputs = norm.forward(inputs)
            scored = self.network(part.shape[1]).forward(inputs)
            logits[:, start : start + part.shape[1]] = scored
        return logits

    def losses(self, rows: Evaluation) -> list[float]:
        """Return every member's loss on its rows."""
        return self.judged(rows)[0]

    def judged(self, rows: Evaluation) -> tuple[list[float], list[float]]:
        """Return every member's loss on its rows, and the share that it gets right."""
        logits = self.logits(rows.features)
        losses = member_losses(logits, rows.signs, rows.shares)
        are_right = (logits > 0) == (rows.signs > 0)
        shares = rows.shares.mul(are_right).sum(1, dtype=torch.float64)
        return losses.tolist(), shares.clamp(max=1).tolist()
