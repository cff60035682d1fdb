"""Models without their callbacks; knows where scikit-learn keeps them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

__all__ = ["without_callbacks"]

# As of scikit-learn 1.9, `sklearn.callback`: those that are registered, and those that
# an interrupted fit has left.
_ATTRIBUTES = (
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_callback_fit_ctx",
    "_parent_callback_ctx",
)
# Most of what a model holds; a loss curve alone is a list of hundreds.
_HOLD_NOTHING = frozenset([float, int, str, bool, bytes, type(None)])


def without_callbacks(model: Any) -> Any:
    """Return a model without callbacks, the same object if it has none.

    Parameters
    ----------
    model : object
        Anything.

    Returns
    -------
    object
        With copies of those of its estimators, however deep, that have callbacks or
        hold one that has; everything else is shared. The model itself stays as it is.

    Notes
    -----
    A callback that watched a search has a socket's address and key: in a file they
    would be a secret, and loading it would open the socket anew.
    """
    return _stripped(model, {})


def _stripped(value: Any, known: dict[int, Any]) -> Any:
    """Return a value without callbacks; what is met again is not copied again."""
    if type(value) in _HOLD_NOTHING:
        return value
    if id(value) not in known:
        known[id(value)] = value  # in case it holds itself
        known[id(value)] = _searched(value, known)
    return known[id(value)]


def _searched(value: Any, known: dict[int, Any]) -> Any:
    """Return a value without callbacks in what it holds, if it holds anything."""
    if isinstance(value, dict):
        new = {key: _stripped(item, known) for key, item in value.items()}
        if _is_same(new.values(), value.values()):
            return value
        copied = copy.copy(value)  # it may be a Bunch
        copied.update(new)
        return copied
    if type(value) in (list, tuple):
        items = [_stripped(item, known) for item in value]
        return value if _is_same(items, value) else type(value)(items)
    return _searched_object(value, known) if _is_searched(value) else value


def _is_searched(value: Any) -> bool:
    """Return whether an object is an estimator, or may hold one, as a scorer does."""
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return False
    is_of_sklearn = type(value).__module__.startswith("sklearn.")
    return is_of_sklearn or hasattr(value, "get_params")


def _searched_object(value: Any, known: dict[int, Any]) -> Any:
    """Return an object without callbacks in it or in what it holds."""
    state = vars(value)
    new = {
        name: _stripped(held, known)
        for name, held in state.items()
        if name not in _ATTRIBUTES
    }
    if len(new) == len(state) and _is_same(new.values(), state.values()):
        return value
    copied = object.__new__(type(value))
    vars(copied).update(new)
    return copied


def _is_same(new: Iterable[Any], old: Iterable[Any]) -> bool:
    """Return whether both hold the same objects."""
    return all(a is b for a, b in zip(new, old, strict=True))
