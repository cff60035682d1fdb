"""Models as joblib files that say from the first byte on that they are sealed.

Such a file begins with a text that the pickle machine puts on its stack and takes off
again, so every unpickler reads on as if nothing had been there; ours knows by it that
the end of the file is missing, should no seal be there.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import joblib

from torch_binary_classifier.exceptions import ModelFileError
from torch_binary_classifier.persistence.seal import seal
from torch_binary_classifier.wording import one_line

__all__ = ["MARK", "begins", "dump", "load", "sealed"]

_TEXT = b"torch-binary-classifier model file\n"
# Opcodes of pickle protocol 4: PROTO 4, SHORT_BINUNICODE and the text, POP.
MARK = b"\x80\x04\x8c" + bytes([len(_TEXT)]) + _TEXT + b"0"


def dump(estimator: Any) -> bytes:
    """Return a joblib file, without compression.

    Parameters
    ----------
    estimator : object
        Anything that pickles.

    Returns
    -------
    bytes
        The mark, and what ``joblib.dump`` writes behind it: arrays are aligned to
        their place in the file, so ``mmap_mode`` works.

    Raises
    ------
    ModelFileError
        If it does not pickle. The message lacks the file's name.
    """
    buffer = io.BytesIO()
    buffer.write(MARK)
    try:
        joblib.dump(estimator, buffer)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        msg = (
            f"of a model that pickles, got {type(error).__name__}: {one_line(error)}. "
            "Use functions and classes of a module that can be imported."
        )
        raise ModelFileError(msg) from error
    return buffer.getvalue()


def sealed(content: bytes, manifest: bytes, key: bytes | None) -> bytes:
    """Return a joblib file with its manifest and seal.

    Parameters
    ----------
    content : bytes
        Of `dump`.
    manifest : bytes
        What the file says of it.
    key : bytes or None
        Signs the file.

    Returns
    -------
    bytes
        The file.
    """
    return b"".join([content, manifest, seal(content, manifest, key)])


def load(data: bytes) -> Any:
    """Return what a joblib file holds, ours or another; runs what it names.

    Parameters
    ----------
    data : bytes
        The file. What stands behind the pickle's end is not read.

    Returns
    -------
    object
        Whatever it holds.
    """
    return joblib.load(io.BytesIO(data))


def begins(data: bytes) -> bool:
    """Return whether a file begins, or ends while it begins, as `dump` lets it.

    Parameters
    ----------
    data : bytes
        The file, not empty.

    Returns
    -------
    bool
        If so, a seal must be at its end.
    """
    return data.startswith(MARK) or MARK.startswith(data)
