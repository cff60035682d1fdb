"""Dataclasses as what strict JSON can hold, and back; knows none of the classes.

JSON has no word for infinite numbers and NaN: they are the texts "inf", "-inf" and
"nan" where a number stands otherwise. What may stand where is told by the annotations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["as_plain", "of_plain"]

_T = TypeVar("_T")

NO_NUMBERS = ("inf", "-inf", "nan")
WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number, 0 or more",
    float: "a number",
    Any: "a text, a truth value or a number",
}


def as_plain(value: Any) -> Any:
    """Return a dataclass as dicts, lists, texts, finite numbers, truths and None."""
    if is_dataclass(value):
        return {f.name: as_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def of_plain(kind: type[_T], plain: Any) -> _T:
    """Return the dataclass that `as_plain` made plain; ValueError for all else."""
    if not isinstance(plain, Mapping):
        raise ValueError(_message(kind.__name__, "a dict", plain))
    hints = _hints(kind)  # type: ignore[arg-type]
    missing = [f"none named {entry!r}" for entry in hints if entry not in plain]
    unknown = [f"one named {entry!r}" for entry in plain if entry not in hints]
    if missing or unknown:
        entries = ", ".join(hints)
        got = [*missing, *unknown][0]
        msg = f"{kind.__name__} must have the entries {entries}, got {got}."
        raise ValueError(msg)
    parts = {
        name: _read(hint, plain[name], f"{name} of {kind.__name__}")
        for name, hint in hints.items()
    }
    return kind(**parts)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return what a dataclass's fields are annotated with; slow to find out."""
    return get_type_hints(kind)


def _message(what: str, rule: str, value: object) -> str:
    """Return why a plain value is refused."""
    shown = repr(value)
    return f"{what} must be {rule}, got {shown if len(shown) < 60 else shown[:57]}."


def _read(hint: Any, value: Any, what: str) -> Any:
    """Return a plain value as what is annotated."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType or NoneType in inner:
        return None if value is None else _read(inner[0], value, what)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(_message(what, "a list", value))
        return tuple(_read(inner[0], item, what) for item in value)
    if is_dataclass(hint):
        return of_plain(hint, value)  # type: ignore[arg-type]
    if hint is float and value in NO_NUMBERS:
        return float(value)
    if not _is_such(hint, value):
        is_word = origin is Literal
        rule = f"one of {', '.join(map(repr, inner))}" if is_word else WORDS[hint]
        raise ValueError(_message(what, rule, value))
    return value


def _is_such(hint: Any, value: Any) -> bool:
    """Return whether a plain value is what is annotated."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(value, bool):
        return hint in (bool, Any)
    if hint is int:
        return isinstance(value, int) and value >= 0
    kinds = {float: (int, float), Any: (str, int, float)}
    return isinstance(value, kinds.get(hint, hint))
