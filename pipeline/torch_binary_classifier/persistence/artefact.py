"""Models to files and back; knows no estimator of ours."""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from sklearn.exceptions import InconsistentVersionWarning

from torch_binary_classifier.exceptions import (
    CorruptModelError,
    ModelFileError,
    ModelFileWarning,
    SelfTestError,
    UntrustedModelError,
)
from torch_binary_classifier.persistence import joblib_file, skops_file
from torch_binary_classifier.persistence.callbacks import without_callbacks
from torch_binary_classifier.persistence.examples import check_examples
from torch_binary_classifier.persistence.keys import key_bytes
from torch_binary_classifier.persistence.manifest import (
    describe_model,
    written_manifest,
)
from torch_binary_classifier.persistence.model_file import (
    ModelFile,
    naming,
    read_model_file,
)
from torch_binary_classifier.persistence.replacement import (
    check_writable,
    replaced_file,
)
from torch_binary_classifier.persistence.seal import signed_by
from torch_binary_classifier.persistence.versions import version_differences
from torch_binary_classifier.wording import one_line

__all__ = ["load", "save", "sign_file"]

SAFE_SUFFIX = ".skops"
# As an AttributeError shows the module that is run, with -m by its full name.
MAIN_MODULE = re.compile(r"module '(?:\S+\.)?__main__'")
# The first bytes of a pickle, and of one that joblib compressed: zlib, gzip, bz2,
# xz, lzma and lz4.
FIRST_BYTES = (
    b"\x80",
    b"\x78",
    b"\x1f\x8b",
    b"BZ",
    b"\xfd7z",
    b"\x5d\x00",
    b"\x04\x22\x4d\x18",
)


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    X: Any = None,
    metrics: Mapping[str, float] | None = None,
    notes: str | None = None,
    examples: Any = None,
    evaluation: Mapping[str, Any] | None = None,
    sign_with: bytes | str | os.PathLike[str] | None = None,
) -> None:
    """Write a model to a file that knows whether it is whole.

    Parameters
    ----------
    model : object
        Anything that pickles: a fitted Pipeline, a search, a classifier.
    path : str or path
        The file to write: ``NAME.joblib``, an ordinary joblib file, or
        ``NAME.skops``, which is loaded without running anything it names (needs the
        extra ``skops``). Any other name makes a joblib file. Its folder must exist; a
        file that is already there is replaced at the very end.
    X : DataFrame, Table, array or sparse matrix, default=None
        The table that the model was trained on, as it was given to ``fit``. The file
        then tells its schema, its scale, and the scores of a few of its rows.
    metrics : dict of str to float, default=None
        What was measured on other rows, to be kept in the file.
    notes : str, default=None
        Anything else to be kept in the file.
    examples : DataFrame, Table, array or sparse matrix, default=None
        Up to 16 rows that `load` scores to see that the model still says the same;
        None for rows of X.
    evaluation : dict of str to object, default=None
        How the metrics were measured, in values that JSON has: on which rows and when,
        for example. `train` keeps ``data``, ``date``, ``held_out``, counts of rows and
        the metrics of other classifiers.
    sign_with : bytes or path, default=None
        Key, or the file that holds it, of at least 16 bytes. Whoever has it can tell
        that nobody without it has written the file.

    Raises
    ------
    OutputError
        If the file cannot be written. Nothing is left behind then, and a file
        that was already there keeps its content.
    ModelFileError
        If the model does not pickle, or cannot be a skops file.
    ValueError
        If X is no table or has not the model's columns, if metrics are no numbers or
        notes no text, if examples are too many or cannot be scored, or if the key is
        too short or cannot be read.

    Notes
    -----
    The manifest behind the model, JSON, has the versions that wrote it, its classes,
    columns and parameters, how it was trained, and what is given here. A model that
    was loaded keeps what its file said and is not given anew. With X the file holds
    16 of its rows and the most frequent categories as they are: where rows must not
    leave, give made-up rows as examples, or no X.

    A joblib file is not compressed, so ``joblib.load(path, mmap_mode="r")`` works on
    it. Callbacks of scikit-learn stay out of the file.

    The file is written to a temporary file in the same folder, brought to the disk and
    then renamed: a reader sees the former file or the new one, never a mix.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import joblib
    >>> with TemporaryDirectory() as folder:
    ...     save({"threshold": 0.5}, Path(folder) / "model.joblib")
    ...     joblib.load(Path(folder) / "model.joblib")
    {'threshold': 0.5}
    """
    check_writable(path)
    key = None if sign_with is None else key_bytes(sign_with, "sign_with")
    described = describe_model(
        model,
        X=X,
        metrics=metrics,
        notes=notes,
        examples=examples,
        evaluation=evaluation,
    )
    bare = without_callbacks(model)
    if hasattr(bare, "_manifest"):
        bare = copy.copy(bare)
        del bare._manifest
    is_skops = Path(path).suffix.lower() == SAFE_SUFFIX
    kind, home = ("skops", skops_file) if is_skops else ("joblib", joblib_file)
    with naming(path):
        payload = home.dump(bare)
    data = home.sealed(payload, written_manifest(described, kind, payload), key)
    with replaced_file(path, n_bytes=len(data)) as file:
        file.write(data)


def sign_file(path: str | os.PathLike[str], key: bytes) -> None:
    """Replace a model file by the same file with a signature.

    Parameters
    ----------
    path : str or path
        A file that `save` wrote.
    key : bytes
        The key.

    Raises
    ------
    ModelFileError
        If the file is not as it was when it was saved, or `save` has not written it.
    OutputError
        If it cannot be written; it keeps its content then.
    """
    check_writable(path)
    file = read_model_file(path)
    if file.manifest is None:
        msg = (
            f"{path} must be a file of torch_binary_classifier.save, got another. "
            "Load it and save it again."
        )
        raise UntrustedModelError(msg)
    data = signed_by(file.data, key)
    with replaced_file(path, n_bytes=len(data)) as written:
        written.write(data)


def load(
    path: str | os.PathLike[str],
    *,
    verify_with: bytes | str | os.PathLike[str] | None = None,
    trust: Literal["pickle", "safe"] = "pickle",
) -> Any:
    """Return the model of a file, after seeing that it is what was saved.

    Parameters
    ----------
    path : str or path
        A file that `save` wrote. One of ``joblib.dump`` or ``skops.io.dump`` will do,
        with a warning that nothing of it could be verified.
    verify_with : bytes or path, default=None
        Key, or the file that holds it, with which the file must be signed.
    trust : {"pickle", "safe"}, default="pickle"
        What may be loaded. A joblib file is a pickle: loading it runs code that it
        names. "safe" refuses such files and takes ``.skops`` alone, which run nothing.

    Returns
    -------
    object
        The model. It carries the manifest of its file along.

    Raises
    ------
    CorruptModelError
        If the file is not as it was when it was saved.
    UntrustedModelError
        If it is not signed with the key, or is a pickle that may not be loaded, or
        names types that are not known to run no code.
    NewerFormatError
        If a later version wrote it in a format not known here.
    SelfTestError
        If the model scores its examples otherwise than when it was saved.
    ModelFileError
        The family of all these; also if the file is missing or unreadable, or if it
        needs what is not installed here or was defined in a script.
    ValueError
        If the key is too short or cannot be read, or trust is none of the two.

    Warns
    -----
    ModelFileWarning
        If nothing could be verified, or other versions than those installed here,
        which may score otherwise, wrote the file.

    Notes
    -----
    The file is opened once. Its digest and its signature are checked before anything
    of it is loaded, then its format, then the scores of its examples.

    A digest tells of accidents, not of people: who changes a file can change its
    digest, but without the key not its signature.

    Examples
    --------
    >>> load("absent.joblib")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
        ...
    torch_binary_classifier.exceptions.ModelFileError: absent.joblib must be a model
    file, got no file.
    """
    if trust not in ("pickle", "safe"):
        msg = f"trust must be 'pickle' or 'safe', got {trust!r}."
        raise ValueError(msg)
    key = None if verify_with is None else key_bytes(verify_with, "verify_with")
    file = read_model_file(path, verify_with=key)
    if trust == "safe" and file.kind != "skops":
        msg = (
            f"{path} must be a skops file if trust is 'safe', got a pickle, which can "
            "run any code. Convert it where it was made."
        )
        raise UntrustedModelError(msg)
    model = _loaded(path, file)
    if file.manifest is None:
        msg = (
            f"{path} could not be verified: it has no digest, because torch_binary_"
            "classifier.save has not written it."
        )
        warnings.warn(msg, ModelFileWarning, stacklevel=2)
        return model
    message = _tested(path, model, file.manifest)
    if message:
        warnings.warn(message, ModelFileWarning, stacklevel=2)
    _attach(model, file.manifest)
    return model


def _loaded(path: str | os.PathLike[str], file: ModelFile) -> Any:
    """Return the model of a file that is verified as far as it can be."""
    try:
        with naming(path), warnings.catch_warnings():
            if file.manifest is not None:  # `_tested` says it once, for all packages
                warnings.simplefilter("ignore", InconsistentVersionWarning)
            return file.load()
    except ModelFileError:
        raise
    # A pickle can raise any exception whatever.
    except Exception as error:
        kind = ModelFileError if _lacks_something(error) else CorruptModelError
        msg = f"{path} must be {_fault(file.data, error)}"
        raise kind(msg) from error


def _tested(
    path: str | os.PathLike[str], model: Any, manifest: Mapping[str, Any]
) -> str:
    """Score the examples; return what there is to say of versions, if anything."""
    examples = manifest.get("examples")
    difference = 0.0
    if examples is not None:
        try:
            difference = check_examples(model, examples)
        except SelfTestError as error:
            others = version_differences(manifest["versions"])
            written = f" It was written with {', '.join(others)}." if others else ""
            msg = f"{path} must hold {error}{written}"
            raise SelfTestError(msg) from error
    others = version_differences(manifest["versions"])
    if not others:
        return ""
    seen = (
        "It has no examples to test it by."
        if examples is None
        else f"It scores its {len(examples['scores'])} examples as it did then, within "
        f"{difference:.1g}."
    )
    return f"{path} was written with {', '.join(others)}. {seen}"


def _attach(model: Any, manifest: Mapping[str, Any]) -> None:
    """Let a model carry its manifest, if it can carry anything."""
    if hasattr(model, "get_params"):
        model._manifest = manifest


def _lacks_something(error: Exception) -> bool:
    """Return whether the fault is not the file's but that of what is installed."""
    is_missing = isinstance(error, ImportError) or "Can't get attribute" in str(error)
    return is_missing or MAIN_MODULE.search(str(error)) is not None


def _fault(data: bytes, error: Exception) -> str:
    """Return what a file's content should be and is not."""
    if MAIN_MODULE.search(str(error)):
        return (
            f"free of what a script or a notebook defines, got {error}. "
            "Move that into a module that can be imported, and save again."
        )
    if _lacks_something(error):
        return (
            f"made of classes that are installed here, got {error}. "
            "Install what the model was trained with."
        )
    if not data.startswith(FIRST_BYTES):
        return (
            f"a joblib file, got one of another kind, which begins with {data[:8]!r}."
        )
    described = _described(error)
    if isinstance(error, EOFError) or re.search("EOF|truncated|Ran out", str(error)):
        return f"a whole joblib file, got one that is cut short ({described})."
    return (
        f"a whole joblib file, got {described}. It is damaged, or was written by "
        "other versions than those installed here."
    )


def _described(error: Exception) -> str:
    """Return an exception as a few words on one line."""
    words = one_line(error).rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
