"""How many bad records a job may have; knows no records."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch_binary_classifier.wording import shown

__all__ = ["BadRecordLimit"]

_SHARE = re.compile(r"(\d+\.?\d*|\.\d+)%")


@dataclass(frozen=True)
class BadRecordLimit:
    """How many records of an input may be rejected.

    Attributes
    ----------
    number : int or None
        At most so many.
    percent : float or None
        At most this share of all, 0 to 100.

    Examples
    --------
    >>> BadRecordLimit.of("0.5%").allows(5, 1000), BadRecordLimit.of(4).allows(5, 1000)
    (True, False)
    """

    number: int | None = None
    percent: float | None = None

    @classmethod
    def of(cls, given: int | str) -> BadRecordLimit:
        """Return the limit that a user has written.

        Parameters
        ----------
        given : int or str
            A number, or a share such as ``"0.1%"``.

        Returns
        -------
        BadRecordLimit
            The limit.

        Raises
        ------
        ValueError
            If it is neither.
        """
        text = str(given).strip()
        share = _SHARE.fullmatch(text)
        if share and float(share[1]) <= 100:
            return cls(percent=float(share[1]))
        if text.isdecimal() and not isinstance(given, bool):
            return cls(number=int(text))
        msg = (
            "max_bad_records must be a whole number from 0 on, or a share from 0% to "
            f"100%, got {shown(given)}."
        )
        raise ValueError(msg)

    @property
    def of_part(self) -> int | None:
        """Return how many a part may have, whatever the others have."""
        return 0 if self.percent == 0 else self.number

    def allows(self, n_bad: int, n_rows: int) -> bool:
        """Return whether an input may have so many.

        Parameters
        ----------
        n_bad : int
            Rejected records.
        n_rows : int
            All of them.

        Returns
        -------
        bool
            Whether it may.
        """
        if self.number is not None:
            return n_bad <= self.number
        assert self.percent is not None, "one of the two is given"
        return n_bad * 100 <= self.percent * n_rows

    def __str__(self) -> str:
        return str(self.number) if self.number is not None else f"{self.percent:g}%"
