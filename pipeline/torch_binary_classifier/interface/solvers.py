"""The solvers, and what each of them needs and can do; knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Solver:
    """What a solver needs of the other parameters and what it can do with them.

    Parameters
    ----------
    full_batch : bool
        Whether each step takes all rows, whatever the ``batch_size``, on the CPU.
    partial_fit : bool
        Whether it can learn from one batch after another.
    dropout : bool
        Whether it can leave units out.
    learning_rate : bool
        Whether its steps have one, with a schedule.
    epsilon : bool
        Whether it divides by a moment, to which ``epsilon`` is added.
    weight_decay : bool
        Whether it takes the parameter of this name.
    stops : bool
        Whether the first epochs of a run are the run that ends after them.
    remedy : str
        What to do where ``max_iter`` has ended a training too early.
    """

    full_batch: bool = False
    partial_fit: bool = True
    dropout: bool = True
    learning_rate: bool = True
    epsilon: bool = False
    weight_decay: bool = False
    stops: bool = True
    remedy: str = "Raise max_iter or learning_rate_init, or set learning_rate='cosine'."


SOLVERS = {
    "adam": Solver(epsilon=True),
    "adamw": Solver(epsilon=True, weight_decay=True),
    "lbfgs": Solver(
        full_batch=True,
        partial_fit=False,
        dropout=False,
        learning_rate=False,
        stops=False,
        remedy="Raise max_iter, max_fun or tol.",
    ),
    "sgd": Solver(),
}
