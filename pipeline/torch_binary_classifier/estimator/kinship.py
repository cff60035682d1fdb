"""Clones of one estimator, so that a search tells what is wrong with its table once.

A search clones the estimator, and that clone again for each of its fits: these are of
the second generation. The user's own estimator has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEY = "_kin"
TOLD = "_scale_told"  # of a fitted estimator, whose copies elsewhere tell it again
# Whose fits are those of one search, which fits its best candidate in the end.
OF_A_SEARCH = 2

Told = dict[Any, object]


@dataclass
class Kin:
    """What an estimator has in common with its siblings, and with its clones.

    Parameters
    ----------
    generation : int
        How often it was cloned; 0 for the user's own.
    told, told_clones : dict
        What was told of the siblings, and of the clones; shared by these.
    """

    generation: int = 0
    told: Told = field(default_factory=dict)
    told_clones: Told = field(default_factory=dict)


def adopt(parent: Any, clone: Any) -> Any:
    """Return a clone that knows its siblings."""
    kin = vars(parent).get(KEY)
    if not isinstance(kin, Kin):  # the user's own, or one from another process
        kin = Kin(kin or 0)
        setattr(parent, KEY, kin)
    setattr(clone, KEY, Kin(kin.generation + 1, kin.told_clones))
    return clone


def plain_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return an estimator's state for another process, without its siblings."""
    kin = state.get(KEY, 0)
    generation = kin.generation if isinstance(kin, Kin) else kin
    state = {name: value for name, value in state.items() if name not in (KEY, TOLD)}
    return state | {KEY: generation} if generation else state


def leave(estimator: Any) -> Kin | int:
    """Have an estimator go on as the user's own; return what it was before.

    A number is the generation of one from another process, or of one never cloned.
    """
    kin: Kin | int = vars(estimator).pop(KEY, 0)
    return kin


def is_silent(kin: Kin | int) -> bool:
    """Return whether all that a fit has to tell is told by another one."""
    return isinstance(kin, int) and kin >= OF_A_SEARCH


def once(kin: Kin | int, key: Any, measure: Callable[[], object]) -> Any:
    """Return what a sibling has measured, or measure it."""
    if isinstance(kin, int):
        return measure()
    if key not in kin.told:
        kin.told[key] = measure()
    return kin.told[key]


def is_first(kin: Kin | int, kind: str, columns: tuple[int, ...]) -> bool:
    """Return whether no sibling has told this yet.

    In another process siblings are unknown. There the fits of a search are silent: it
    fits its best candidate in the first one. Clones that are not of a search may have
    tables of their own.
    """
    if isinstance(kin, int):
        return not is_silent(kin)
    key = kind if kin.generation >= OF_A_SEARCH else (kind, columns)
    mark = object()
    return kin.told.setdefault(key, mark) is mark
