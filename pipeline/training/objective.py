r"""Weighted cross-entropy from logits and the L2 penalty, per member.

Knows tensors only. With row shares :math:`s_i` (a row's weight divided by the sum of
the weights), the loss of a member is

.. math:: \sum_i s_i \log(1 + e^{-(2 y_i - 1) z_i})
          + \frac{\alpha}{2 \sum_i w_i} \lVert W \rVert^2

as in scikit-learn's MLPClassifier; its derivative at logit :math:`z_i` is
:math:`s_i (\sigma(z_i) - y_i)`. No probability is ever passed to a logarithm.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def member_losses(logits: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of every member.

    Parameters
    ----------
    logits : Tensor of shape (n_members, n_rows)
        Log-odds of the positive class, in nats.
    targets : Tensor of shape (n_members, n_rows)
        Class indicators, 0.0 or 1.0.
    shares : Tensor of shape (n_members, n_rows)
        Row weights divided by their sum.

    Returns
    -------
    Tensor of shape (n_members,)
        Mean loss in nats per unit of weight; finite for every finite logit.

    References
    ----------
    .. [1] I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", 2016,
       section 6.2.2.2.

    Examples
    --------
    >>> zeros = torch.zeros(2, 4)
    >>> member_losses(zeros, zeros, torch.full((2, 4), 0.25))
    tensor([0.6931, 0.6931])
    """
    signed = (2.0 * targets).sub_(1.0).mul_(logits)
    return logsigmoid(signed).mul_(shares).sum(-1).neg_()


class Residuals:
    """The loss's gradient at the logits of a pass, in a reused buffer.

    The sigmoid runs over rows padded to whole vectors, so that a row's bits do not
    depend on the rows and members beside it.
    """

    def __init__(self, logits_padded: Tensor, n_rows: int) -> None:
        self.logits_padded = logits_padded
        self.padded = torch.empty_like(logits_padded)
        self.values = self.padded[:, :n_rows]

    def compute(self, targets: Tensor, shares: Tensor) -> Tensor:
        """Return ``shares * (sigmoid(logits) - targets)``, all (n_members, n_rows)."""
        torch.sigmoid(self.logits_padded, out=self.padded)
        return self.values.sub_(targets).mul_(shares)


class Penalty:
    """The L2 penalty on weights, not biases, with one strength per member.

    Parameters
    ----------
    strengths : Tensor of shape (n_members * member_size,)
        ``alpha`` divided by the mean row weight at each weight, 0 at biases.
    member_blocks : list of Tensor
        The same buffer as blocks of shape (n_members, rows, columns).
    """

    def __init__(self, strengths: Tensor, member_blocks: list[Tensor]) -> None:
        self.strengths = strengths
        self.member_blocks = member_blocks

    def add_gradient(
        self, parameters: Tensor, gradients: Tensor, batch_size: int
    ) -> None:
        """Add the penalty's gradient for a batch of ``batch_size`` rows."""
        gradients.addcmul_(parameters, self.strengths, value=1.0 / batch_size)

    def values(self, parameter_blocks: list[Tensor], batch_size: float) -> Tensor:
        """Return each member's penalty for a batch of that size, (n_members,)."""
        squares = [
            (block * block).mul_(strength).sum((1, 2))
            for block, strength in zip(
                parameter_blocks[::2], self.member_blocks[::2], strict=True
            )
        ]
        return torch.stack(squares).sum(0).mul_(0.5 / batch_size)
