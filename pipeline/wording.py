"""Values as phrases; knows neither tables nor models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["listed", "parameters"]


def listed(values: Sequence[object], n_shown: int = 10) -> str:
    """Return values as a phrase, the first few of many."""
    shown = ", ".join(repr(value) for value in values[:n_shown])
    rest = len(values) - n_shown
    return f"{shown} and {rest} more" if rest > 0 else shown


def parameters(parameters: Mapping[str, object]) -> str:
    """Return parameters of the pipeline's last step as a phrase."""
    return ", ".join(
        f"{name.rpartition('__')[2]}={value}" for name, value in parameters.items()
    )
