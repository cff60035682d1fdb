"""The temperature that logits are divided by; knows logits only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tempering:
    r"""What becomes of logits, which keep their order.

    Parameters
    ----------
    temperature : float
        Above 0; more than 1 makes probabilities less extreme.
    centre : float
        The logit that stays as it is.

    Notes
    -----
    Logit z becomes :math:`c + (z - c) / T`.

    Examples
    --------
    >>> Tempering(2.0, centre=-3.0).of(np.array([-5.0, -3.0, 1.0]))
    array([-4., -3., -1.])
    """

    temperature: float
    centre: float = 0.0

    def of(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return tempered logits; infinite where float64 cannot represent them."""
        with np.errstate(over="ignore"):
            tempered: NDArray[np.float64] = (logits - self.centre) / self.temperature
        tempered += self.centre
        return tempered
