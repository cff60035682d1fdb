"""Where pictures are drawn, and texts in them; knows matplotlib and no models.

matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch_binary_classifier import wording

__all__ = ["axes_for", "check_matplotlib", "label_of"]

MOST_CHARACTERS = 24  # of a name beside an axis, in a picture 400 pixels wide


def check_matplotlib(caller: str) -> None:
    """Refuse to draw where matplotlib is not installed.

    Parameters
    ----------
    caller : str
        What is to be drawn, as the user called it.

    Raises
    ------
    ImportError
        If it cannot be imported.
    """
    try:
        import_module("matplotlib")
    except ImportError as error:
        msg = f"{caller} must have matplotlib, got none. Run `pip install matplotlib`."
        raise ImportError(msg) from error


def axes_for(ax: Any, caller: str) -> Any:
    """Return the axes to draw on: those given, or new ones.

    Parameters
    ----------
    ax : Axes or None
        What the user gave.
    caller : str
        What is to be drawn, as the user called it.

    Returns
    -------
    Axes
        Those of a new figure if none were given.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_matplotlib(caller)
    if ax is not None:
        return ax
    pyplot = import_module("matplotlib.pyplot")
    return pyplot.subplots(layout="constrained")[1]


def label_of(text: object, most: int = MOST_CHARACTERS) -> str:
    r"""Return a text as matplotlib shows it letter by letter, cut if it is long.

    Parameters
    ----------
    text : object
        A name or a value.
    most : int, default=24
        How many characters are left of it.

    Returns
    -------
    str
        On one line, with a backslash before each dollar: two would enclose a formula.

    Examples
    --------
    >>> print(label_of("price in $ (US)"))
    price in \$ (US)
    """
    plain = wording.plain(str(text))
    short = plain if len(plain) <= most else f"{plain[: most - 1]}…"
    return short.replace("$", r"\$")
