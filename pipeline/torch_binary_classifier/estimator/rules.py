"""Rules for parameter values and the one sentence that reports a broken rule.

Pure Python: knows neither arrays nor tensors nor scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Protocol

from torch_binary_classifier.wording import shown


class Rule(Protocol):
    """What a parameter value has to fulfil."""

    def accepts(self, value: object) -> bool:
        """Return whether the value keeps the rule."""

    def __str__(self) -> str:
        """Return the rule as the end of the phrase "must be ..."."""


@dataclass(frozen=True)
class Number:
    """A finite real number, or a whole number, within an interval."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    open_low: bool = False
    open_high: bool = False

    def accepts(self, value: object) -> bool:
        """Return whether the value is such a number."""
        kind = Integral if self.whole else Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        number = float(value)
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return math.isfinite(number) and above and below

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.low == -math.inf and self.high == math.inf:
            return kind
        lower = f"{'>' if self.open_low else '>='} {self.low:g}"
        if self.high == math.inf:
            return f"{kind} {lower}"
        return f"{kind} {lower} and {'<' if self.open_high else '<='} {self.high:g}"


def _kind(value: object) -> type:
    """Return which values can be equal: 1 is no truth value, and a text no number."""
    if isinstance(value, str):
        return str
    if Flag().accepts(value) or not isinstance(value, Real):
        return type(value)
    return Real


@dataclass(frozen=True)
class OneOf:
    """One of a few values; listed in sorted order."""

    options: Collection[object]

    def accepts(self, value: object) -> bool:
        """Return whether the value is one of the options, NumPy's kinds included."""
        return any(
            _kind(value) is _kind(option) and value == option for option in self.options
        )

    def __str__(self) -> str:
        return ", ".join(sorted((repr(option) for option in self.options), key=str))


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def accepts(self, value: object) -> bool:
        """Return whether the value is a bool, NumPy's included."""
        return type(value).__name__ in {"bool", "bool_"}

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class LayerSizes:
    """A whole number >= 1 or a sequence of such numbers, which may be empty."""

    def accepts(self, value: object) -> bool:
        """Return whether the value gives the width of every hidden layer."""
        size = Number(low=1, whole=True)
        if isinstance(value, bool | str | bytes | Mapping):
            return False
        try:
            return all(size.accepts(item) for item in layer_sizes(value))
        except TypeError:
            return False

    def __str__(self) -> str:
        return "a whole number >= 1 or a sequence of them"


@dataclass(frozen=True)
class AnyOf:
    """Whatever one of several rules accepts."""

    rules: Sequence[Rule]

    def accepts(self, value: object) -> bool:
        """Return whether at least one rule accepts the value."""
        return any(rule.accepts(value) for rule in self.rules)

    def __str__(self) -> str:
        return " or ".join(str(rule) for rule in self.rules)


def layer_sizes(value: object) -> tuple[int, ...]:
    """Return ``hidden_layer_sizes`` as a tuple, whichever way it was written."""
    if isinstance(value, Integral):
        return (int(value),)
    return tuple(value)  # type: ignore[arg-type]


def check_parameters(values: Mapping[str, object], rules: Mapping[str, Rule]) -> None:
    """Refuse the first value that breaks its rule.

    Parameters
    ----------
    values : mapping of str to object
        Parameter values by name.
    rules : mapping of str to Rule
        The rule of each parameter; a parameter without a rule is free.

    Raises
    ------
    ValueError
        If a value breaks its rule; the sentence names the parameter, the rule
        and the value.
    """
    for name, rule in rules.items():
        if not rule.accepts(values[name]):
            msg = f"{name} must be {rule}, got {shown(values[name])}."
            raise ValueError(msg)
