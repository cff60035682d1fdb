"""Separators and encodings are what can separate and encode."""

import pytest

from torch_binary_classifier.tables.csv_format import CsvFormat


@pytest.mark.parametrize(
    ("separator", "delimiter"),
    [(",", ","), (";", ";"), ("\t", "\t"), ("tab", "\t"), ("\\t", "\t"), (" ", " ")],
)
def test_separator_is_one_character_or_a_word_for_it(separator, delimiter):
    assert CsvFormat(separator=separator).delimiter == delimiter


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n", "\r", "§", None, 9, [","]])
def test_what_cannot_separate_is_refused(separator):
    match = "^separator must be one ASCII character other than .*, or 'tab', got "
    with pytest.raises(ValueError, match=match):
        CsvFormat(separator=separator)


@pytest.mark.parametrize(
    ("encoding", "is_utf8"),
    [("utf-8", True), ("UTF8", True), ("utf-8-sig", True), ("cp1252", False)],
)
def test_encoding_is_any_name_of_pythons(encoding, is_utf8):
    assert CsvFormat(encoding=encoding).is_utf8 == is_utf8


@pytest.mark.parametrize("encoding", ["", "latin-999", "hex", "rot13", "a\0", None, 8])
def test_what_encodes_no_text_is_refused(encoding):
    match = "^encoding must be an encoding of text that Python knows, such .*, got "
    with pytest.raises(ValueError, match=match):
        CsvFormat(encoding=encoding)
