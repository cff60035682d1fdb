r"""Weighted cross-entropy from logits, per member.

Knows tensors only. With row shares :math:`s_i` (a row's weight divided by the sum of
the weights), the loss of a member is, beside the penalty in penalty.py,

.. math:: \sum_i s_i \log(1 + e^{-(2 y_i - 1) z_i})

as in scikit-learn's MLPClassifier; its derivative at logit :math:`z_i` is
:math:`s_i (\sigma(z_i) - y_i)`. No probability is ever passed to a logarithm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from torch_binary_classifier.training.kernels import Kernel, run_all

# What torch.nn.functional.logsigmoid is, with the argument ``out``.
log_sigmoid: Callable[..., Tensor] = torch._C._nn.log_sigmoid


def member_losses(logits: Tensor, signs: Tensor, shares: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of every member.

    Parameters
    ----------
    logits : Tensor of shape (n_members, n_rows)
        Log-odds of the positive class, in nats.
    signs : Tensor of shape (n_members, n_rows)
        1.0 for the positive class, -1.0 for the other one.
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
    >>> member_losses(zeros, zeros + 1, torch.full((2, 4), 0.25))
    tensor([0.6931, 0.6931], dtype=torch.float64)
    """
    losses = logits.new_zeros(len(logits), dtype=torch.float64)
    run_all(loss_kernels(logits, signs, shares, losses))
    return losses


def loss_kernels(
    logits: Tensor, signs: Tensor, shares: Tensor, losses: Tensor
) -> list[Kernel]:
    """Return what adds the weighted cross-entropy of some rows to ``losses``.

    Parameters
    ----------
    logits, signs, shares : Tensor of shape (n_members, n_rows)
        As in ``member_losses``; read whenever the kernels run.
    losses : Tensor of shape (n_members,)
        Added to, in float64.
    """
    margins, rows = signs.new_empty(2, *signs.shape)
    sums = signs.new_empty(len(signs))
    return [
        partial(torch.mul, signs, logits, out=margins),
        partial(log_sigmoid, margins, out=rows),
        partial(rows.mul_, shares),
        partial(torch.sum, rows, -1, out=sums),
        partial(losses.sub_, sums),
    ]


def residual_kernels(
    logits: Tensor, offsets: Tensor, shares: Tensor, out: Tensor
) -> list[Kernel]:
    """Return what writes the loss's gradient at the logits.

    Parameters
    ----------
    logits : Tensor of shape (n_members, n_rows)
        Log-odds of the positive class, in nats.
    offsets : Tensor of shape (n_members, n_rows)
        Minus the target times the share.
    shares : Tensor of shape (n_members, n_rows)
        Row weights divided by their sum.
    out : Tensor of shape (n_members, n_rows)
        Gets ``shares * (sigmoid(logits) - targets)``.
    """
    return [
        partial(torch.sigmoid, logits, out=out),
        partial(torch.addcmul, offsets, out, shares, out=out),
    ]
