"""What a fitted model is made of: the steps in front of its last one, and that."""

from __future__ import annotations

from typing import Any

__all__ = ["before_last", "last_of"]


def last_of(model: Any) -> Any:
    """Return the estimator inside pipelines, searches and thresholds.

    Parameters
    ----------
    model : estimator
        A fitted one.

    Returns
    -------
    estimator
        The last step, or the model itself.
    """
    inner = _inner(model)
    return model if inner is None else last_of(inner)


def before_last(model: Any) -> list[Any]:
    """Return the fitted transformers that rows go through before the last step.

    Parameters
    ----------
    model : estimator
        A fitted one.

    Returns
    -------
    list of transformer
        Those of nested pipelines one behind the other.
    """
    inner = _inner(model)
    if inner is None:
        return []
    steps = [step for _, step in getattr(model, "steps", [])[:-1]]
    passed = [step for step in steps if step not in (None, "passthrough")]
    return [*passed, *before_last(inner)]


def _inner(model: Any) -> Any:
    """Return what a model hands its rows on to; None if it predicts by itself."""
    if hasattr(model, "steps"):
        return model.steps[-1][1]
    inner = getattr(model, "best_estimator_", getattr(model, "estimator_", None))
    # That of a forest or of bagging is only the pattern of those that were fitted.
    return inner if hasattr(inner, "classes_") else None
