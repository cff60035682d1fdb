"""A model file before it is loaded: whole, signed, and what it says of itself."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch_binary_classifier.exceptions import (
    CorruptModelError,
    ModelFileError,
    NewerFormatError,
    UntrustedModelError,
)
from torch_binary_classifier.persistence import joblib_file, seal, skops_file

__all__ = ["FORMAT", "READABLE_SINCE", "ModelFile", "naming", "read_model_file"]

# The format that is written, and the first version that can read it. One above 1 needs
# a way to read those before it, see docs/model-files.md.
FORMAT = 1
READABLE_SINCE = "0.1.0"


@dataclass(frozen=True)
class ModelFile:
    """A file whose bytes are what they were when it was saved, if it says so at all.

    Attributes
    ----------
    data : bytes
        All of it.
    kind : {"joblib", "skops"}
        What it is written in.
    manifest : dict or None
        What it says of itself; None for a file that `save` has not written, of which
        nothing can be verified.
    is_signed : bool
        Whether somebody signed it, whoever that was.
    """

    data: bytes
    kind: Literal["joblib", "skops"]
    manifest: dict[str, Any] | None
    is_signed: bool = False

    def load(self) -> Any:
        """Return the model; a joblib file runs what it names."""
        return (skops_file if self.kind == "skops" else joblib_file).load(self.data)


def read_model_file(
    path: str | os.PathLike[str],
    *,
    verify_with: bytes | None = None,
) -> ModelFile:
    """Read a model file and verify it; nothing in it is run.

    Parameters
    ----------
    path : str or path
        The file. It is opened once.
    verify_with : bytes, default=None
        Key of whoever must have signed it.

    Returns
    -------
    ModelFile
        The file.

    Raises
    ------
    ModelFileError
        If it cannot be read.
    CorruptModelError
        If it is not as it was when it was saved.
    UntrustedModelError
        If it is not signed with the key.
    NewerFormatError
        If its format is not known here.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        msg = f"{path} must be {_unreadable(error)}"
        raise ModelFileError(msg) from error
    with naming(path):
        return _verified(data, verify_with)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let what complains of a file without its name say which file it is.

    Parameters
    ----------
    path : str or path
        The file.

    Raises
    ------
    ModelFileError
        Of the kind that the block raises, its message behind "PATH must be".
    """
    try:
        yield
    except ModelFileError as error:
        msg = f"{path} must be {error}"
        raise type(error)(msg) from error


def _unreadable(error: OSError) -> str:
    """Return what a file should be and is not, if it could not be read at all."""
    if isinstance(error, FileNotFoundError):
        return "a model file, got no file."
    if isinstance(error, IsADirectoryError):
        return "a model file, got a folder."
    return f"a file that can be read, got {error.strerror or error}."


def _verified(data: bytes, key: bytes | None) -> ModelFile:
    """Return a file if it is whole and signed as it must be."""
    if not data:
        msg = "a whole joblib file, got an empty one."
        raise CorruptModelError(msg)
    is_skops = skops_file.is_archive(data)
    kind: Literal["joblib", "skops"] = "skops" if is_skops else "joblib"
    if not seal.is_sealed(data):
        return _unsealed(data, kind, key)
    sealed = seal.unseal(data)
    if key is not None:
        seal.check(data, key)
    described = skops_file.manifest(data) if is_skops else bytes(sealed.manifest)
    return ModelFile(data, kind, _manifest(described), sealed.is_signed)


def _unsealed(
    data: bytes, kind: Literal["joblib", "skops"], key: bytes | None
) -> ModelFile:
    """Return a file that `save` has not written."""
    ours = (
        skops_file.MANIFEST.encode() in data
        if kind == "skops"
        else joblib_file.begins(data)
    )
    if ours:
        msg = (
            "a whole model file, got one that is cut short or damaged at its end. "
            "Take it from where it was copied, or save it again."
        )
        raise CorruptModelError(msg)
    if key is not None:
        msg = (
            "signed if verify_with is given, got a file that torch_binary_classifier"
            ".save has not written."
        )
        raise UntrustedModelError(msg)
    return ModelFile(data, kind, None)


def _manifest(described: bytes | None) -> dict[str, Any]:
    """Return what a file says of itself, in the words of the format that is written."""
    try:
        manifest: dict[str, Any] = json.loads(described or b"")
        number, since = manifest["format"], manifest["readable_since"]
    except (ValueError, KeyError, TypeError) as error:
        msg = "a model file with a manifest, got a seal without one."
        raise CorruptModelError(msg) from error
    if number > FORMAT:
        msg = (
            f"of a format up to {FORMAT}, got format {number}. "
            f"Install torch-binary-classifier>={since}."
        )
        raise NewerFormatError(msg)
    return manifest
