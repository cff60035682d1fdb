"""All that decides a training besides its rows and seeds; plain values only.

Names, units and meanings are those of ``TorchBinaryClassifier``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StepHyperparameters:
    """What decides a step of the optimizer, the learning rate given."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    weight_decay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RateHyperparameters:
    """What decides the learning rate of an epoch."""

    learning_rate_init: float = 1e-3
    learning_rate: str = "constant"
    power_t: float = 0.5


@dataclass(frozen=True, kw_only=True)
class StoppingHyperparameters:
    """What decides when a training ends."""

    max_iter: int = 200
    max_fun: int = 15000
    tol: float = 1e-4
    n_iter_no_change: float = 10


@dataclass(frozen=True, kw_only=True)
class MemberSettings(StepHyperparameters, RateHyperparameters, StoppingHyperparameters):
    """What may differ between the members of one tensor program, and is given."""

    alpha: float = 1e-4
    dropout: float = 0.0
    weight_average: float = 0.0
    shuffle: bool = True


@dataclass(frozen=True)
class Hyperparameters(MemberSettings):
    """What may differ between the members of one tensor program.

    ``seed`` is the member's own, and ``output_bias`` the start of the logit's bias.
    """

    seed: int
    output_bias: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Settings(MemberSettings):
    """All parameters of one fit; what was automatic is decided.

    ``batch_size`` is in 1 to the number of rows, ``device`` as the user gave it.
    """

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    input_norm: str | None
    input_factors: bool
    dtype: str
    solver: str
    batch_size: int
    device: str
    verbose: int
