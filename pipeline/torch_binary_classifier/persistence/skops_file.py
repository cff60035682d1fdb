"""Models as skops files, which are loaded without running anything they name.

The file is an ordinary zip archive: skops's members, the manifest as one more, and the
seal as the archive's comment.
"""

from __future__ import annotations

import io
import struct
import zipfile
from functools import cache
from importlib.util import find_spec
from typing import Any

from torch_binary_classifier.exceptions import (
    CorruptModelError,
    ModelFileError,
    UntrustedModelError,
)
from torch_binary_classifier.persistence.seal import N_BYTES, seal

__all__ = ["MANIFEST", "OURS", "dump", "is_archive", "load", "manifest", "sealed"]

# Our classes in a fitted model. Here, never in a file: who writes the file would write
# the list.
OURS = (
    "torch_binary_classifier.classifier.TorchBinaryClassifier",
    "torch_binary_classifier.positive.PositiveClassifier",
    "torch_binary_classifier.preparation.CategoriesAsTexts",
    "torch_binary_classifier.preparation.TimesAsNumbers",
)
# What imputers, searches and calibrated classifiers hold beside the estimators that
# skops knows.
_OF_OTHERS = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer._RemainderColsList",  # of 1.6
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.RepeatedStratifiedKFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.utils._metadata_requests.MetadataRequest",  # of 1.7
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
)
MANIFEST = "torch-binary-classifier.json"
_FIRST_BYTES = b"PK\x03\x04"


def dump(estimator: Any) -> bytes:
    """Return a skops archive.

    Parameters
    ----------
    estimator : object
        A fitted estimator.

    Returns
    -------
    bytes
        The archive, without manifest and seal.

    Raises
    ------
    ModelFileError
        If skops is not installed, or if the model holds types that `load` would not
        trust. The message lacks the file's name.
    """
    skops = _skops()
    # Most of it is skops's own JSON, a tenth of which is left.
    data: bytes = skops.dumps(estimator, compression=zipfile.ZIP_DEFLATED)
    strange = _strange(data)
    if strange:
        msg = (
            f"a .joblib file, got .skops for a model that holds {strange}. "
            "Without running code only scikit-learn's estimators and ours are loaded."
        )
        raise ModelFileError(msg)
    return data


def sealed(archive: bytes, described: bytes, key: bytes | None) -> bytes:
    """Return a skops archive with its manifest and seal.

    Parameters
    ----------
    archive : bytes
        Of `dump`.
    described : bytes
        The manifest.
    key : bytes or None
        Signs the file.

    Returns
    -------
    bytes
        The file.
    """
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr(MANIFEST, described)
        file.comment = bytes(N_BYTES)
    content = buffer.getvalue()[:-N_BYTES]
    return content + seal(content, key=key)


def is_archive(data: bytes) -> bool:
    """Return whether a file begins as a zip archive does."""
    return data.startswith(_FIRST_BYTES)


def manifest(data: bytes) -> bytes | None:
    """Return the manifest in an archive, None if there is none.

    Raises
    ------
    CorruptModelError
        If the archive cannot be read. The message lacks the file's name.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return file.read(MANIFEST) if MANIFEST in file.namelist() else None
    except _DAMAGE as error:
        raise CorruptModelError(_damaged(error)) from error


def load(data: bytes) -> Any:
    """Return the model of an archive; runs nothing that it names.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    object
        The model.

    Raises
    ------
    ModelFileError
        If skops is not installed. The messages lack the file's name.
    UntrustedModelError
        If it names a type that is not known to run no code.
    CorruptModelError
        If it cannot be read.
    """
    skops = _skops()
    try:
        return skops.loads(data, trusted=sorted(_trusted()))
    except skops.exceptions.UntrustedTypesFoundException as error:
        msg = f"made of types known to run no code, got {_strange(data)}."
        raise UntrustedModelError(msg) from error
    # A damaged archive can raise any exception whatever.
    except Exception as error:
        raise CorruptModelError(_damaged(error)) from error


_DAMAGE = (zipfile.BadZipFile, struct.error, OSError, EOFError, ValueError, KeyError)


def _damaged(error: Exception) -> str:
    """Return what a damaged archive should be."""
    return f"a whole skops file, got {type(error).__name__}: {error}."


@cache
def _trusted() -> frozenset[str]:
    """Return the types that a file may name beside those that skops knows."""
    from sklearn.metrics import get_scorer, get_scorer_names

    functions = [get_scorer(name)._score_func for name in get_scorer_names()]
    scores = {f"{function.__module__}.{function.__name__}" for function in functions}
    return frozenset([*OURS, *_OF_OTHERS, *scores])


def _strange(data: bytes) -> str:
    """Return the types that an archive names and must not, empty if there are none."""
    named = set(_skops().get_untrusted_types(data=data))
    return ", ".join(sorted(named - _trusted()))


def _skops() -> Any:
    """Return skops.io, or say how to get it."""
    if find_spec("skops") is None:
        msg = (
            "read and written with skops, which is not installed. "
            "Install torch-binary-classifier[skops]."
        )
        raise ModelFileError(msg)
    import skops.io

    return skops.io
