"""The update of some members of equal step size, prepared as one call.

Knows flat tensors and formulas; nothing of whose parameters they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from torch_binary_classifier.interface.settings import StepHyperparameters
from torch_binary_classifier.training.kernels import Kernel

FUSED_ADAM = getattr(torch, "_fused_adam_", None)
FUSED_SGD = getattr(torch, "_fused_sgd_", None)

Parts = dict[str, list[Tensor]]


@dataclass(frozen=True)
class StepSize(StepHyperparameters):
    """What decides a member's update beside its gradient."""

    learning_rate: float


def adam_update(
    size: StepSize, parts: Parts, n_steps: Tensor, fused: Any = FUSED_ADAM
) -> Kernel:
    """Return the update of some members; ``fused`` is torch's private kernel or None.

    ``n_steps``, of shape (), is read at every call.
    """
    names = ("parameters", "gradients", "first_moment", "second_moment")
    tensors = [parts[name] for name in names]
    if fused is None:
        return partial(_plain_adam, size, tensors, n_steps)
    return partial(
        fused,
        *tensors,
        [],
        [n_steps] * len(tensors[0]),
        lr=size.learning_rate,
        beta1=size.beta_1,
        beta2=size.beta_2,
        weight_decay=0.0,
        eps=size.epsilon,
        amsgrad=False,
        maximize=False,
    )


def _plain_adam(size: StepSize, tensors: list[list[Tensor]], n_steps: Tensor) -> None:
    """Update by torch's public operations."""
    correction_1 = 1 - size.beta_1 ** int(n_steps)
    correction_2 = 1 - size.beta_2 ** int(n_steps)
    for value, slope, first, second in zip(*tensors, strict=True):
        first.lerp_(slope, 1 - size.beta_1)
        second.mul_(size.beta_2).addcmul_(slope, slope, value=1 - size.beta_2)
        scale = second.sqrt().div_(correction_2**0.5).add_(size.epsilon)
        value.addcdiv_(first, scale, value=-size.learning_rate / correction_1)


def sgd_update(size: StepSize, parts: Parts, fused: Any = FUSED_SGD) -> Kernel:
    """Return the update of some members; ``fused`` as in ``adam_update``."""
    tensors = [parts[name] for name in ("parameters", "gradients", "velocity")]
    if fused is None:
        return partial(_plain_sgd, size, tensors)
    if size.momentum == 0:
        tensors[2] = []  # the kernel refuses a velocity that it does not need
    return partial(
        fused,
        *tensors,
        weight_decay=0.0,
        momentum=size.momentum,
        lr=size.learning_rate,
        dampening=0.0,
        nesterov=size.nesterovs_momentum and size.momentum > 0,
        maximize=False,
        is_first_step=False,
    )


def _plain_sgd(size: StepSize, tensors: list[list[Tensor]]) -> None:
    """Update by torch's public operations."""
    for value, slope, velocity in zip(*tensors, strict=True):
        velocity.mul_(size.momentum).add_(slope)
        move = velocity
        if size.nesterovs_momentum:
            move = slope.add(velocity, alpha=size.momentum)
        value.sub_(move, alpha=size.learning_rate)
