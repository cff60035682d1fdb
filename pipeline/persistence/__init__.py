"""Model files, written whole or not at all; knows no estimator of this package."""

from pipeline.persistence.artefact import check_writable, load, replaced_file, save

__all__ = ["check_writable", "load", "replaced_file", "save"]
