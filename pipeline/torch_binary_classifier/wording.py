"""Values as words that are safe to print; knows neither tables nor models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["listed", "name", "one_line", "parameters", "plain", "shown"]


def plain(text: str) -> str:
    r"""Return a text in which nothing is left that a terminal would obey.

    Parameters
    ----------
    text : str
        Any text: a header, a cell, the name of a file.

    Returns
    -------
    str
        The text, on one line, with an escape for each character that is no printable
        one. Letters of any script stay.

    Examples
    --------
    >>> print(plain("größe\x1b[2J"))
    größe\x1b[2J
    """
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode()
        for character in text
    )


def one_line(message: object) -> str:
    r"""Return a message without line breaks and repeated blanks.

    Parameters
    ----------
    message : object
        The message, an exception for example.

    Returns
    -------
    str
        Its words, one blank between two of them.

    Examples
    --------
    >>> one_line(ValueError("first\n  second\n"))
    'first second'
    """
    return " ".join(str(message).split())


def name(column: object) -> str:
    r"""Return the name of a column, in quotes where it needs some.

    Parameters
    ----------
    column : str
        The name.

    Returns
    -------
    str
        In quotes if it is empty, could be misread, or would move a terminal.

    Examples
    --------
    >>> print(name("age"), name(""), name("a, b"), name("x\x1b[2J"))
    age '' 'a, b' 'x\x1b[2J'
    """
    text = str(column)
    clear = text.isprintable() and text == text.strip() and not set(text) & set(",'\"")
    return text if text and clear else repr(text)


def shown(value: object) -> str:
    """Return a value as its user would write it.

    Parameters
    ----------
    value : object
        A parameter, a label or a sequence or dict of them, of Python or of NumPy.

    Returns
    -------
    str
        Texts in quotes, numbers without a type.

    Examples
    --------
    >>> import numpy as np
    >>> print(shown(np.int64(0)), shown(np.str_("no")), shown((np.float64(0.5), True)))
    0 'no' (0.5, True)
    """
    return repr(_of_python(value))


def _of_python(value: Any) -> Any:
    """Return NumPy's scalars, also within others, as Python's."""
    if type(value) in {list, tuple}:
        return type(value)(map(_of_python, value))
    if type(value) is dict:
        return {_of_python(key): _of_python(item) for key, item in value.items()}
    return value.item() if getattr(value, "shape", None) == () else value


def listed(values: Sequence[object], n_shown: int = 10) -> str:
    """Return values as a phrase, the first few of many.

    Parameters
    ----------
    values : sequence of object
        Labels or names.
    n_shown : int, default=10
        How many are written out.

    Returns
    -------
    str
        The values in quotes, between commas.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    "'a', 'b' and 1 more"
    """
    first = ", ".join(map(shown, values[:n_shown]))
    rest = len(values) - n_shown
    return f"{first} and {rest} more" if rest > 0 else first


def parameters(values: Mapping[str, object]) -> str:
    """Return parameters of the pipeline's last step as a phrase.

    Parameters
    ----------
    values : mapping of str to object
        Values by the name that ``set_params`` takes.

    Returns
    -------
    str
        Names and values between commas.

    Examples
    --------
    >>> parameters({"clf__alpha": 0.1, "clf__max_iter": 20})
    'alpha=0.1, max_iter=20'
    """
    return ", ".join(
        f"{key.rpartition('__')[2]}={value}" for key, value in values.items()
    )
