"""What a search tried and how each candidate did; knows ``cv_results_`` only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torch_binary_classifier.wording import shown

__all__ = ["Candidates", "candidates_of"]


@dataclass(frozen=True)
class Candidates:
    """The candidates of a search.

    Attributes
    ----------
    values : dict of str to list
        What each candidate has of every parameter that differs between candidates.
    scores : ndarray of shape (n_candidates,)
        Their mean test scores; nan for those that failed.
    score_name : str
        What the score is.
    is_loss : bool
        Whether lower is better.
    """

    values: dict[str, list[Any]]
    scores: NDArray[np.float64]
    score_name: str
    is_loss: bool

    @property
    def best(self) -> int:
        """Return the best candidate."""
        found = np.nanargmin if self.is_loss else np.nanargmax
        return int(found(self.scores))

    def levels(self, name: str) -> list[Any]:
        """Return the different values of a parameter: numbers sorted, others as met."""
        found: list[Any] = []
        for value in self.values[name]:
            if not any(value is one or shown(value) == shown(one) for one in found):
                found.append(value)
        return sorted(found) if all(map(is_number, found)) else found


def candidates_of(search: Any) -> Candidates:
    """Return the candidates of a fitted search, each as it was last tried.

    Parameters
    ----------
    search : estimator
        A fitted search of scikit-learn, or of its kind.

    Returns
    -------
    Candidates
        With losses above 0 in place of scores whose names begin with ``neg_``.

    Raises
    ------
    ValueError
        If it is no fitted search, has several scores and none to choose by, or tried
        no two values of any parameter, or none with success.
    """
    results = getattr(search, "cv_results_", None)
    if results is None:
        msg = f"search must be a fitted search, got {type(search).__name__}."
        raise ValueError(msg)
    key, name = _score_of(search, results)
    # A halving search tries the better candidates again, with more rows.
    last = list({shown(one): row for row, one in enumerate(results["params"])}.values())
    tried = [results["params"][row] for row in last]
    scores = np.asarray(results[key], dtype=float)[last]
    is_loss = name.startswith("neg_")
    found = Candidates(
        _differing(tried),
        -scores if is_loss else scores,
        name.removeprefix("neg_").replace("_", " "),
        is_loss,
    )
    if not found.values or np.isnan(scores).all():
        msg = (
            "search must have tried two values of a parameter, got "
            f"{len(tried)} candidates that differ in {sorted(found.values)}, "
            f"{int(np.isnan(scores).sum())} of them without a score."
        )
        raise ValueError(msg)
    return found


def is_number(value: object) -> bool:
    """Return whether a value has a place on an axis of numbers.

    Parameters
    ----------
    value : object
        A value of a parameter.

    Returns
    -------
    bool
        False for truth values, too.
    """
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _score_of(search: Any, results: Any) -> tuple[str, str]:
    """Return the key of the scores to go by, and what they are called."""
    if "mean_test_score" in results:
        scoring = getattr(search, "scoring", None)
        return "mean_test_score", scoring if isinstance(scoring, str) else "score"
    refit = getattr(search, "refit", None)
    key = f"mean_test_{refit}"
    if key not in results:
        known = sorted(one for one in results if one.startswith("mean_test_"))
        msg = f"search must have one score, or its name as refit, got {known}."
        raise ValueError(msg)
    return key, str(refit)


def _differing(tried: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the values of the parameters that differ between candidates."""
    names = dict.fromkeys(name for one in tried for name in one)
    values = {name: [one.get(name) for one in tried] for name in names}
    return {
        name: given
        for name, given in values.items()
        if len({shown(value) for value in given}) > 1
    }
