r"""The L2 penalty of members; knows their parameters, not what they are for.

To a member's loss it adds

.. math:: \frac{\alpha}{2 \sum_i w_i} \lVert W \rVert^2

with the weights :math:`W`, biases left out, and the row weights :math:`w_i`, as in
scikit-learn's MLPClassifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from torch_binary_classifier.training.kernels import Kernel, run_all
from torch_binary_classifier.training.layout import ParameterLayout
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.pieces import Bounds


class Penalty:
    """The L2 penalty on weights, not biases, with one strength per member.

    Parameters
    ----------
    layout : ParameterLayout
        Where the weights lie.
    strengths : sequence of float
        Each member's ``alpha`` divided by the row weights' sum.
    where : torch.device
        Where the parameters are.
    """

    def __init__(
        self, layout: ParameterLayout, strengths: Sequence[float], where: torch.device
    ) -> None:
        self.layout = layout
        self.strengths = layout.new_buffer(where)
        layout.spread(strengths, self.strengths)
        self.strengths.mul_(layout.weight_mask(where))

    def gradient_kernel(self, parameters: Tensor, gradients: Tensor) -> Kernel:
        """Return what adds the penalty's gradient."""
        return partial(gradients.addcmul_, parameters, self.strengths)

    def value_kernels(self, parameters: Tensor, losses: Tensor) -> list[Kernel]:
        """Return what adds each member's penalty.

        ``losses``, ``(n_members,)``, are in float64. Prepared once: at eight steps per
        epoch the buffers of every epoch took a tenth of the time.
        """
        squares = torch.empty_like(parameters)
        slots = self.layout.slots(squares)
        sums = squares.new_empty(len(slots), len(losses))
        values = squares.new_empty(len(losses))
        return [
            partial(torch.mul, parameters, parameters, out=squares),
            partial(squares.mul_, self.strengths),
            *(
                partial(torch.sum, slot, 1, out=layer)
                for slot, layer in zip(slots, sums, strict=True)
            ),
            partial(torch.sum, sums, 0, out=values),
            partial(values.mul_, 0.5),
            partial(losses.add_, values),
        ]

    def values(self, parameters: Tensor) -> Tensor:
        """Return each member's penalty, (n_members,)."""
        losses = parameters.new_zeros(self.layout.n_members, dtype=torch.float64)
        run_all(self.value_kernels(parameters, losses))
        return losses


class EpochPenalty:
    """The L2 penalty of a step, of an epoch's last one, and of the epoch's losses.

    Each is for so many rows of mean weight; in the last batch members may differ.

    Parameters
    ----------
    layout : ParameterLayout
        Where the weights lie.
    members : sequence of Member
        Their rows and ``alpha``; there is no penalty where all of these are 0.
    batches : list of (start, stop)
        The epoch's batches.
    where : torch.device
        Where the parameters are.
    """

    def __init__(
        self,
        layout: ParameterLayout,
        members: Sequence[Member],
        batches: Bounds,
        where: torch.device,
    ) -> None:
        self._of_step: dict[bool, Penalty] = {}  # by whether it is the last
        self._of_losses: list[Penalty] = []
        if not any(member.hyperparameters.alpha for member in members):
            return
        strengths = [_strength(member) for member in members]
        row_counts = [len(member.train) for member in members]
        start, stop = batches[0]
        n_before, _ = batches[-1]

        def over(n_rows: Sequence[float]) -> Penalty:
            each = [one / n for one, n in zip(strengths, n_rows, strict=True)]
            return Penalty(layout, each, where)

        self._of_step[False] = over([stop - start] * len(members))
        self._of_step[True] = over([n - n_before for n in row_counts])
        self._of_losses = [over([n / len(batches) for n in row_counts])]

    def gradient_kernels(
        self, parameters: Tensor, gradients: Tensor, *, last: bool
    ) -> list[Kernel]:
        """Return what adds the gradient in a step, perhaps the epoch's last."""
        if not self._of_step:
            return []
        return [self._of_step[last].gradient_kernel(parameters, gradients)]

    def value_kernels(self, parameters: Tensor, losses: Tensor) -> list[Kernel]:
        """Return what adds each member's penalty per unit of weight to its loss."""
        return [
            kernel
            for penalty in self._of_losses
            for kernel in penalty.value_kernels(parameters, losses)
        ]


def _strength(member: Member) -> float:
    """Return a member's penalty on one row of mean weight."""
    rows = member.train
    mean_weight = float(rows.weights[rows.index].double().mean())
    return member.hyperparameters.alpha / mean_weight
