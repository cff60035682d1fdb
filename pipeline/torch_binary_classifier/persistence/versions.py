"""Which versions wrote a model, and which read it; imports none of the packages."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata

__all__ = ["OURS", "installed_versions", "version_differences"]

OURS = "torch-binary-classifier"
# The part of a version that scoring may depend on: 1 the first number, 2 the first two.
# torch takes no part in scoring.
_PARTS = {"Python": 2, OURS: 2, "scikit-learn": 2, "numpy": 1, "joblib": 1, "torch": 0}


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a model depends on.

    Returns
    -------
    dict of str to str
        Versions by name.

    Examples
    --------
    >>> sorted(installed_versions())
    ['Python', 'joblib', 'numpy', 'scikit-learn', 'torch', 'torch-binary-classifier']
    """
    versions = {name: _version(name) for name in _PARTS}
    return {name: version for name, version in versions.items() if version}


def version_differences(written: Mapping[str, str]) -> list[str]:
    """Return where the installed versions differ from those that wrote a model.

    Parameters
    ----------
    written : dict of str to str
        Of `installed_versions`, there and then.

    Returns
    -------
    list of str
        A phrase for each package whose difference may change a score.

    Examples
    --------
    >>> version_differences({"joblib": "0.17.0"})  # doctest: +ELLIPSIS
    ['joblib 0.17.0 (here ...)']
    """
    installed = installed_versions()
    return [
        f"{name} {version} (here {installed.get(name, 'not installed')})"
        for name, version in written.items()
        if _part(name, version) != _part(name, installed.get(name, ""))
    ]


@cache
def _version(name: str) -> str | None:
    """Return the installed version; asks files, so only once."""
    if name == "Python":
        return platform.python_version()
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _part(name: str, version: str) -> list[str]:
    """Return the part of a version that scoring may depend on."""
    return version.split(".")[: _PARTS.get(name, 0)]
