"""Classes of estimators by their names; imports none of them.

Whoever holds a fitted estimator has imported its class; all the others of scikit-learn
would take longer to import than most tables take to score.
"""

from __future__ import annotations

__all__ = ["KNOWN_PACKAGES", "is_kind_of", "package_of"]

# Whose word counts when an estimator says that it takes numbers alone.
KNOWN_PACKAGES = ("sklearn", __name__.partition(".")[0])


def is_kind_of(step: object, *names: str) -> bool:
    """Return whether an estimator is of one of some classes, or of a class of that.

    Parameters
    ----------
    step : object
        The estimator.
    *names : str
        Classes of scikit-learn or of this package.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> class OwnScaler(StandardScaler):
    ...     pass
    >>> is_kind_of(OwnScaler(), "StandardScaler"), is_kind_of(1, "StandardScaler")
    (True, False)
    """
    return any(
        kind.__name__ in names and package_of(kind) in KNOWN_PACKAGES
        for kind in type(step).__mro__
    )


def package_of(kind: type) -> str:
    """Return the package that defines a class.

    Parameters
    ----------
    kind : type
        The class.

    Returns
    -------
    str
        The first part of its module's name.
    """
    return kind.__module__.partition(".")[0]
