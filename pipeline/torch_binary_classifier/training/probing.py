"""Trainings of which only the losses on rows held out are wanted.

Knows problems and losses; nothing of what they are compared for.
"""

from __future__ import annotations

from math import inf

from torch_binary_classifier.interface.problem import Problem
from torch_binary_classifier.training.run import run
from torch_binary_classifier.training.start import prepared


def held_out_losses(problem: Problem) -> list[list[float]]:
    """Train the members of a problem, all of which hold out rows, and forget them.

    Parameters
    ----------
    problem : Problem
        Without an ``input_norm``.

    Returns
    -------
    list of list of float
        Each member's loss on the rows that it held out, epoch by epoch; infinite
        where the training diverged.

    Raises
    ------
    ValueError
        If a value overflows.
    """
    return [
        [inf] if one.diverged_epoch is not None else one.validation_loss_curve
        for one in run(prepared(problem, None))
    ]
