"""Keys that model files are signed with; knows no model."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["key_bytes"]

FEWEST_BYTES = 16


def key_bytes(given: bytes | str | os.PathLike[str], name: str) -> bytes:
    """Return a key, or refuse one that protects nothing.

    Parameters
    ----------
    given : bytes or path
        The key, or the file that holds it, all of whose bytes count.
    name : str
        Of the argument, for messages.

    Returns
    -------
    bytes
        The key.

    Raises
    ------
    ValueError
        If the file cannot be read, or the key has fewer than 16 bytes.

    Examples
    --------
    >>> key_bytes(b"secret", "sign_with")
    Traceback (most recent call last):
        ...
    ValueError: sign_with must be a key of at least 16 bytes, got 6.
    """
    if isinstance(given, bytes | bytearray):
        key = bytes(given)
    else:
        key = _content(Path(given), name)
    if len(key) < FEWEST_BYTES:
        msg = f"{name} must be a key of at least {FEWEST_BYTES} bytes, got {len(key)}."
        raise ValueError(msg)
    return key


def _content(path: Path, name: str) -> bytes:
    """Return the key in a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        msg = (
            f"{name} must be a key or a file that holds one, got {str(path)!r}: "
            f"{error.strerror or error}."
        )
        raise ValueError(msg) from error
