"""Model files: whole or not at all, verified, and telling what they hold."""

from torch_binary_classifier.persistence.artefact import load, save, sign_file
from torch_binary_classifier.persistence.keys import key_bytes
from torch_binary_classifier.persistence.manifest import describe_model
from torch_binary_classifier.persistence.model_file import ModelFile, read_model_file
from torch_binary_classifier.persistence.replacement import (
    check_writable,
    replaced_file,
)

__all__ = [
    "ModelFile",
    "check_writable",
    "describe_model",
    "key_bytes",
    "load",
    "read_model_file",
    "replaced_file",
    "save",
    "sign_file",
]
