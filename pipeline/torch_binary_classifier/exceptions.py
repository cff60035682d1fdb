"""The error and warning classes of this package; knows nothing else."""


class UnscaledInputWarning(UserWarning):
    """The features are on a scale that a network can hardly learn from."""


class InputScaleMismatchWarning(UserWarning):
    """The rows to score are on another scale than the rows of training were."""


class GapWarning(UserWarning):
    """Rows have gaps (NaN) where the rows of training had none, or nothing else."""


class TableWarning(UserWarning):
    """An input table can be read, but some of it may not be what it should be."""


class ModelFileWarning(UserWarning):
    """A model file cannot be verified, or was written by other versions."""


class ModelFileError(ValueError):
    """A model file is missing, or does not hold a model that can be used."""


class CorruptModelError(ModelFileError):
    """A model file is not as it was when it was saved, or is no model file."""


class UntrustedModelError(ModelFileError):
    """A model file is not signed as it must be, or would run code if loaded."""


class NewerFormatError(ModelFileError):
    """A model file was written by a later version, in a format not known here."""


class SelfTestError(ModelFileError):
    """A loaded model does not score its examples as it did when it was saved."""


class TableError(ValueError):
    """An input table cannot be read or does not fit the model."""


class OutputError(OSError):
    """An output file could not be written, or not surely: the message says which."""
