"""The learning rate of a member in each epoch; knows numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass

ADAPTIVE_FACTOR = 5.0  # MLPClassifier's "adaptive": divide by 5, stop below 1e-6
ADAPTIVE_FLOOR = 1e-6
LARGEST_EXPONENT = 709.0  # of e, in float64


@dataclass
class LearningRate:
    r"""One member's learning rate, by MLPClassifier's names and formulas.

    Parameters
    ----------
    initial : float
        ``learning_rate_init``, > 0.
    kind : {"constant", "invscaling", "adaptive", "cosine"}
        ``invscaling`` divides by :math:`(t + 1)^{power\_t}` with ``t`` rows seen;
        ``adaptive`` divides by 5 whenever the loss has stalled; ``cosine`` follows
        :math:`(1 + \cos(\pi\, epoch / max\_iter)) / 2` [1]_.
    power_t : float
        Exponent of ``invscaling``.
    max_iter : int
        Epochs of the whole run, for ``cosine``.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR", 2017, eq. 5.

    Examples
    --------
    >>> rate = LearningRate(0.1, "cosine", 0.5, max_iter=4)
    >>> [round(rate.at(epoch, rows_seen=0), 4) for epoch in range(4)]
    [0.1, 0.0854, 0.05, 0.0146]
    """

    initial: float
    kind: str
    power_t: float
    max_iter: int

    def __post_init__(self) -> None:
        self._reduced = self.initial

    def at(self, epoch: int, rows_seen: int) -> float:
        """Return the rate of an epoch, counted from 0."""
        if self.kind == "invscaling":
            # As a product it could not overflow, but would be rounded otherwise.
            if self.power_t * math.log(rows_seen + 1) > LARGEST_EXPONENT:
                return 0.0
            return self.initial / math.pow(rows_seen + 1, self.power_t)
        if self.kind == "cosine":
            return self.initial * 0.5 * (1 + math.cos(math.pi * epoch / self.max_iter))
        return self._reduced

    def reduce(self) -> bool:
        """Lower an adaptive rate that has stalled; return whether that was possible."""
        if self.kind != "adaptive" or self._reduced <= ADAPTIVE_FLOOR:
            return False
        self._reduced /= ADAPTIVE_FACTOR
        return True
