"""Normalisation of a network's inputs, in training and in scoring."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from torch_binary_classifier.training.kernels import Kernel
from torch_binary_classifier.training.layers import Units
from torch_binary_classifier.training.layout import Architecture

BATCH_NORM_EPSILON = 1e-5  # torch.nn.BatchNorm1d's defaults
BATCH_NORM_MOMENTUM = 0.1


class InputStatistics:
    """Running mean and variance of the inputs, ``(n_members, 1, n_features)``."""

    def __init__(self, mean: Tensor, variance: Tensor) -> None:
        self.mean = mean
        self.variance = variance

    @classmethod
    def initial(
        cls, architecture: Architecture, n_members: int, device: torch.device
    ) -> InputStatistics:
        """Return mean 0 and variance 1, torch's start."""
        shape = (n_members, 1, architecture.n_features)
        mean = torch.zeros(shape, dtype=architecture.dtype, device=device)
        return cls(mean, torch.ones_like(mean))


class BatchNormInput:
    r"""Batch normalisation of the inputs by the batch's weighted statistics.

    :math:`(x - \mu_B) / \sqrt{\sigma_B^2 + \epsilon}` with the row weights' mean and
    variance; for equal weights ``torch.nn.BatchNorm1d(affine=False)``. A learned
    affine map would only repeat the next layer's weights. The running variance is
    corrected by ``n / (n - 1)``, where ``n`` is the sum of the weights, at least the
    number of rows.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithm 1.
    """

    def __init__(self, statistics: InputStatistics, n_rows: int) -> None:
        self.statistics = statistics
        n_members, _, n_features = statistics.mean.shape
        self.outputs = Units.empty_like(statistics.mean, n_members, n_rows, n_features)
        self.product = torch.empty_like(self.outputs.units)
        self.mean = torch.empty_like(statistics.mean)
        self.variance = torch.empty_like(statistics.mean)
        self.unbiased = torch.empty_like(statistics.mean)

    def forward(
        self, inputs: Units, shares: Tensor, correction: Tensor, kernels: list[Kernel]
    ) -> Units:
        """Return the normalised inputs; the running statistics move along.

        ``shares``, ``(n_members, n_rows)``, add up to 1 over the rows; ``correction``,
        ``(n_members, 1, 1)``, is ``n / (n - 1)``.
        """
        column, centred = shares.unsqueeze(-1), self.outputs.units
        product, mean, variance = self.product, self.mean, self.variance
        kernels += [
            partial(torch.mul, inputs.units, column, out=product),
            partial(torch.sum, product, 1, keepdim=True, out=mean),
            partial(torch.sub, inputs.units, mean, out=centred),
            partial(torch.mul, centred, centred, out=product),
            partial(product.mul_, column),
            partial(torch.sum, product, 1, keepdim=True, out=variance),
            partial(torch.mul, variance, correction, out=self.unbiased),
            *self._moves(self.statistics.mean, mean),
            *self._moves(self.statistics.variance, self.unbiased),
            partial(variance.add_, BATCH_NORM_EPSILON),
            variance.sqrt_,
            partial(centred.div_, variance),
        ]
        return self.outputs

    @staticmethod
    def _moves(running: Tensor, found: Tensor) -> list[Kernel]:
        """Mix a batch's statistic into the running one."""
        return [
            partial(running.mul_, 1.0 - BATCH_NORM_MOMENTUM),
            partial(running.add_, found, alpha=BATCH_NORM_MOMENTUM),
        ]


class FixedNormInput:
    """Normalisation by given statistics, as in scoring."""

    def __init__(self, statistics: InputStatistics, n_rows: int) -> None:
        self.statistics = statistics
        n_members, _, n_features = statistics.mean.shape
        self.outputs = Units.empty_like(statistics.mean, n_members, n_rows, n_features)

    def forward(self, inputs: Units) -> Units:
        """Return the normalised inputs."""
        torch.sub(inputs.units, self.statistics.mean, out=self.outputs.units)
        variance = self.statistics.variance + BATCH_NORM_EPSILON
        self.outputs.units.div_(variance.sqrt())
        return self.outputs
