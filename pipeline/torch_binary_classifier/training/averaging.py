"""A moving average of the weights along a training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch_binary_classifier.training.kernels import Kernel
from torch_binary_classifier.training.state import BlockState


class WeightAverage:
    r"""The exponential moving average of a block's parameters.

    After step t it moves by :math:`1 - d_t` of the way to the parameters, with
    :math:`d_t = \min(d, (1 + t) / (10 + t))`: the first steps are soon forgotten.

    Parameters
    ----------
    state : BlockState
        The average so far.
    decay : float
        d, in 0 to 1.

    References
    ----------
    .. [1] B. Polyak, A. Juditsky, "Acceleration of Stochastic Approximation by
       Averaging", 1992.
    """

    def __init__(self, state: BlockState, decay: float) -> None:
        self.state = state
        self.decay = decay
        self.step_size = state.parameters.new_zeros(())

    @classmethod
    def of(cls, state: BlockState, decay: float) -> WeightAverage:
        """Return an average that begins with the parameters as they are."""
        copied = state.copy().parameters
        return cls(BlockState(state.layout, copied, state.statistics), decay)

    def count(self, n_steps: int) -> None:
        """Take the number of the step that is about to be taken, from 1."""
        decay = min(self.decay, (1 + n_steps) / (10 + n_steps))
        self.step_size.fill_(1 - decay)

    def kernel(self, moved: BlockState) -> Kernel:
        """Return what moves the average to the parameters of the same members."""
        return partial(self.state.parameters.lerp_, moved.parameters, self.step_size)

    def compact(self, staying: Sequence[int], moved: BlockState) -> WeightAverage:
        """Return the average of the members at some places, beside what they became."""
        kept = self.state.compact(staying)
        state = BlockState(kept.layout, kept.parameters, moved.statistics)
        return WeightAverage(state, self.decay)
