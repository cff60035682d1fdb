"""Model files, written whole or not at all; knows no estimator of this package."""

from pipeline.persistence.artefact import load, save
from pipeline.persistence.replacement import check_writable, replaced_file

__all__ = ["check_writable", "load", "replaced_file", "save"]
