"""A fitted classifier on rows that it has not seen, as one HTML page."""

from torch_binary_classifier.report_page.page import report

__all__ = ["report"]
