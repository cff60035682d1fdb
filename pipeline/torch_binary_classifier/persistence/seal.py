"""The last bytes of a model file, which tell whether it is whole; knows bytes only.

A sealed file is ``content | manifest | seal``; the seal has these 80 bytes:

=====  ==========================================================================
bytes  what
=====  ==========================================================================
32     SHA-256 of all other bytes of the file
32     HMAC-SHA256 (RFC 2104) of content, manifest and its length; 0 if not signed
8      length of the manifest in bytes, big-endian
8      `MAGIC`
=====  ==========================================================================
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal

from torch_binary_classifier.exceptions import CorruptModelError, UntrustedModelError

__all__ = ["N_BYTES", "Sealed", "check", "is_sealed", "seal", "signed_by", "unseal"]

MAGIC = b"TBCMODEL"
N_BYTES = 80
_DIGEST_BYTES = 32
_UNSIGNED = bytes(_DIGEST_BYTES)
_ORDER: Literal["big"] = "big"


@dataclass(frozen=True)
class Sealed:
    """A file that is whole.

    Attributes
    ----------
    content : memoryview
        What stands before the manifest.
    manifest : memoryview
        Empty if the content has it.
    is_signed : bool
        Whether somebody signed it, whoever that was.
    """

    content: memoryview
    manifest: memoryview
    is_signed: bool


def seal(content: bytes, manifest: bytes = b"", key: bytes | None = None) -> bytes:
    """Return the seal of a file.

    Parameters
    ----------
    content, manifest : bytes
        The file so far is one behind the other.
    key : bytes, default=None
        Signs the file.

    Returns
    -------
    bytes
        What ends the file.
    """
    length = len(manifest).to_bytes(8, _ORDER)
    signature = _UNSIGNED if key is None else _signature(key, content, manifest, length)
    digest = _digest(content, manifest, signature, length)
    return digest + signature + length + MAGIC


def is_sealed(data: bytes) -> bool:
    """Return whether a file ends as a sealed one does."""
    return len(data) >= N_BYTES and data.endswith(MAGIC)


def unseal(data: bytes) -> Sealed:
    """Return what a seal closes, if it is as it was when it was sealed.

    Parameters
    ----------
    data : bytes
        A whole file that `is_sealed`.

    Returns
    -------
    Sealed
        Views of the file.

    Raises
    ------
    CorruptModelError
        If any bit has changed. The message lacks the file's name.
    """
    content, manifest, digest, signature, length = _parts(data)
    if not hmac.compare_digest(digest, _digest(content, manifest, signature, length)):
        msg = (
            "as it was when it was saved, got other bytes (their SHA-256 is not the "
            "one in the file). Take it from where it was copied, or save it again."
        )
        raise CorruptModelError(msg)
    return Sealed(content, manifest, bytes(signature) != _UNSIGNED)


def check(data: bytes, key: bytes) -> None:
    """Refuse a file that the owner of a key has not signed.

    Parameters
    ----------
    data : bytes
        A whole file that `is_sealed`.
    key : bytes
        Of whoever should have signed it.

    Raises
    ------
    UntrustedModelError
        If nobody signed it, or with another key. The message lacks the file's name.
    """
    content, manifest, _, signature, length = _parts(data)
    if bytes(signature) == _UNSIGNED:
        msg = "signed if verify_with is given, got an unsigned one."
        raise UntrustedModelError(msg)
    if not hmac.compare_digest(signature, _signature(key, content, manifest, length)):
        msg = "signed with the key of verify_with, got one signed with another."
        raise UntrustedModelError(msg)


def signed_by(data: bytes, key: bytes) -> bytes:
    """Return a sealed file with the signature of a key.

    Parameters
    ----------
    data : bytes
        A whole file that `is_sealed`.
    key : bytes
        The key.

    Returns
    -------
    bytes
        The file, its last bytes replaced.
    """
    sealed = unseal(data)
    parts = bytes(sealed.content), bytes(sealed.manifest)
    return data[:-N_BYTES] + seal(*parts, key)


def _parts(data: bytes) -> tuple[memoryview, memoryview, bytes, bytes, bytes]:
    """Return content, manifest, digest, signature and the manifest's length."""
    body, end = memoryview(data)[:-N_BYTES], data[-N_BYTES:]
    digest, signature = end[:_DIGEST_BYTES], end[_DIGEST_BYTES : 2 * _DIGEST_BYTES]
    length = end[2 * _DIGEST_BYTES : -len(MAGIC)]
    # A length that is damaged can be any number; the digest tells.
    start = max(0, len(body) - int.from_bytes(length, _ORDER))
    return body[:start], body[start:], digest, signature, length


def _digest(*parts: bytes | memoryview) -> bytes:
    """Return the SHA-256 of a seal's file."""
    digest = hashlib.sha256()
    for part in (*parts, MAGIC):
        digest.update(part)
    return digest.digest()


def _signature(key: bytes, *parts: bytes | memoryview) -> bytes:
    """Return the HMAC-SHA256 of the parts."""
    signature = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        signature.update(part)
    return signature.digest()
