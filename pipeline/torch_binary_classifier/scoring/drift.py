"""How far a table lies from what its model was trained on; reads and scores nothing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ColumnShares"]

_IN_TRAINING = {
    True: "in training some were missing",
    False: "in training none was missing",
    None: "the model does not tell how many were missing in training",
}


@dataclass(frozen=True)
class ColumnShares:
    """How much of a scored column the model has never met.

    Attributes
    ----------
    name : str
        The column.
    unseen : float
        Share of cells, 0 to 1, with a category that no encoder knows. Always 0 in a
        column that the model does not encode.
    missing : float
        Share of cells, 0 to 1, that are missing.
    had_gaps : bool or None
        Whether cells were missing in training; None if the model cannot tell, for
        an imputer does not keep how many gaps it saw.

    Examples
    --------
    >>> city = ColumnShares("city", unseen=0.75, missing=0.25, had_gaps=True)
    >>> city.is_lost
    True
    >>> print(city.description)
    column 'city' has no cell that the model knows: 75% hold categories never seen in \
training, 25% are missing (in training some were missing)
    """

    name: str
    unseen: float
    missing: float
    had_gaps: bool | None

    @property
    def is_lost(self) -> bool:
        """Return whether no cell tells the model anything.

        A column of gaps alone is no loss if the model has met gaps in training.
        """
        nothing_known = self.unseen + self.missing == 1
        return nothing_known and (self.unseen > 0 or not self.had_gaps)

    @property
    def is_strange(self) -> bool:
        """Return whether some cells are like none of the training table's."""
        has_new_gaps = self.missing > 0 and self.had_gaps is False
        return self.is_lost or self.unseen > 0 or has_new_gaps

    @property
    def description(self) -> str:
        """Return both shares as a phrase."""
        lost = (
            "no cell that the model knows" if self.is_lost else "cells new to the model"
        )
        return (
            f"column {self.name!r} has {lost}: {100 * self.unseen:.3g}% hold "
            f"categories never seen in training, {100 * self.missing:.3g}% are missing "
            f"({_IN_TRAINING[self.had_gaps]})"
        )
