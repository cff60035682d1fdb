"""Clones of one estimator, so that a search tells what is wrong with its table once.

A search clones the estimator, and that clone again for each of its fits: these are of
the second generation. The user's own estimator has none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

KEY = "_kin"
TOLD = "_scale_told"  # of a fitted estimator, whose copies elsewhere tell it again
# Whose fits are those of one search, which fits its best candidate in the end.
OF_A_SEARCH = 2
SEARCHES = "sklearn.model_selection."
SENT = "sent"  # to another process

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
    has_refit : bool, default=True
        Whether the search, if it is one, fits its best candidate in the end.
    """

    generation: int = 0
    told: Told = field(default_factory=dict)
    told_clones: Told = field(default_factory=dict)
    has_refit: bool = True


def adopt(parent: Any, clone: Any) -> Any:
    """Return a clone that knows its siblings."""
    kin = vars(parent).get(KEY)
    if not isinstance(kin, Kin):  # the user's own, or one from another process
        kin = Kin(kin or 0)
        setattr(parent, KEY, kin)
    has_refit = kin.has_refit if kin.generation else not _is_without_refit()
    setattr(clone, KEY, Kin(kin.generation + 1, kin.told_clones, has_refit=has_refit))
    return clone


def plain_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return an estimator's state for another process, without its siblings.

    Of a search without a refit the first fit that is sent counts as one of its own,
    so that it tells what all others leave to the refit.
    """
    kin = state.get(KEY, 0)
    generation = kin.generation if isinstance(kin, Kin) else kin
    if isinstance(kin, Kin) and generation >= OF_A_SEARCH and not kin.has_refit:
        mark = object()
        is_first_sent = kin.told.setdefault(SENT, mark) is mark
        generation = OF_A_SEARCH - 1 if is_first_sent else generation
    state = {name: value for name, value in state.items() if name not in (KEY, TOLD)}
    return state | {KEY: generation} if generation else state


def _is_without_refit() -> bool:
    """Return whether a search is calling that fits no candidate in the end."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(SEARCHES):
            search = frame.f_locals.get("self")
            if search is not None and getattr(search, "refit", True) is False:
                return True
        frame = frame.f_back
    return False


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

    In another process siblings are unknown. There the fits of a search are silent,
    since it fits its best candidate in the first one; see `plain_state` for others.
    Clones that are not of a search may have tables of their own.
    """
    if isinstance(kin, int):
        return not is_silent(kin)
    key = kind if kin.generation >= OF_A_SEARCH else (kind, columns)
    mark = object()
    return kin.told.setdefault(key, mark) is mark
