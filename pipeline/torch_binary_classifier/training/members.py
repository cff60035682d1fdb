"""Members: what they have in common, what may differ, and what became of them.

Knows row sets and tensors; nothing of how a member is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training.device import Device
from torch_binary_classifier.training.epochs import batch_starts, filled_up
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.pieces import Bounds
from torch_binary_classifier.training.rows import RowSet

# Called with (member, epoch, loss, validation loss or None) after each epoch.
EpochReport = Callable[[int, int, float, float | None], None]


@dataclass(frozen=True)
class MemberState:
    """A network and what is needed to go on training it.

    Parameters
    ----------
    coefs : list of Tensor of shape (in, out)
    intercepts : list of Tensor of shape (out,)
    input_mean, input_variance : Tensor of shape (n_features,) or None
        Running statistics of the batch normalisation.
    moments : dict of str to Tensor of shape (member_size,)
        The optimizer's moments; empty for a fresh start.
    n_steps, n_epochs : int
        Steps of the optimizer and epochs so far.
    """

    coefs: list[Tensor]
    intercepts: list[Tensor]
    input_mean: Tensor | None = None
    input_variance: Tensor | None = None
    moments: dict[str, Tensor] = field(default_factory=dict)
    n_steps: int = 0
    n_epochs: int = 0


@dataclass(frozen=True)
class Member:
    """One network to be trained: its rows, hyperparameters and, perhaps, its past.

    ``stops`` are epochs, below ``max_iter``, whose result is wanted too.
    """

    train: RowSet
    hyperparameters: Hyperparameters
    validation: RowSet | None = None
    state: MemberState | None = None
    stops: frozenset[int] = frozenset()


@dataclass
class MemberResult:
    """What became of a member.

    Parameters
    ----------
    state : MemberState
        The last weights, or the best ones where there was a validation set.
    loss_curve, validation_loss_curve : list of float
        Loss per epoch, in nats per unit of weight.
    converged : bool
        Whether the stopping rule ended the training before ``max_iter``.
    diverged_epoch : int or None
        The epoch, counted from 1, in which weights or loss became non-finite.
    earlier : dict of int to MemberResult
        What a run with this ``max_iter`` would have had, for the member's stops that
        were reached before the end.
    interrupted : bool
        Whether the user ended the training.
    validation_scores : list of float
        Share of the rows held out that was right, by weight, per epoch.
    """

    state: MemberState
    loss_curve: list[float]
    validation_loss_curve: list[float]
    converged: bool
    diverged_epoch: int | None
    earlier: dict[int, MemberResult] = field(default_factory=dict)
    interrupted: bool = False
    validation_scores: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Setup:
    """What the members of one call of ``fit_many`` have in common.

    Parameters
    ----------
    architecture : Architecture
        Sizes, activation, normalisation and dtype.
    solver : {"adam", "adamw", "sgd"}
    batch_size : int
        Rows per step and member.
    device : Device
        Where they are trained.
    """

    architecture: Architecture
    solver: str
    batch_size: int
    device: Device

    def batches(self, n_rows: int) -> Bounds:
        """Return the (start, stop) of an epoch's batches, the last one filled up."""
        smallest = self.architecture.smallest_batch
        return filled_up(batch_starts(n_rows, self.batch_size, smallest))

    def slices(self, n_rows: int) -> Bounds:
        """Return the slices of a batch of so many rows."""
        return self.device.slices(self.architecture, n_rows)
