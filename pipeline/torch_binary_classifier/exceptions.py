"""The error and warning classes of this package; knows nothing else."""


class UnscaledInputWarning(UserWarning):
    """The features are on a scale that a network can hardly learn from."""


class GapWarning(UserWarning):
    """Rows have gaps (NaN) where the rows of training had none, or nothing else."""


class TableWarning(UserWarning):
    """An input table can be read, but some of it may not be what it should be."""


class ArtefactError(ValueError):
    """A model file is missing, damaged or not a model file."""


class TableError(ValueError):
    """An input table cannot be read or does not fit the model."""


class OutputError(OSError):
    """An output file could not be written, or not surely: the message says which."""
