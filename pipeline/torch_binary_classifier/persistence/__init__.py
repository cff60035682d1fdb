"""Model files, written whole or not at all; knows no estimator of this package."""

from torch_binary_classifier.persistence.artefact import load, save
from torch_binary_classifier.persistence.replacement import (
    check_writable,
    replaced_file,
)

__all__ = ["check_writable", "load", "replaced_file", "save"]
