"""What denotes the same has one canonical form, and one text where it is a code."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from torch_binary_classifier.tables.forms import code, forms


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (np.int8(1), "1"),
        (np.uint64(2**64 - 1), str(2**64 - 1)),
        (1e17, str(10**17)),
        (np.float32(123456792), "123456792"),
        (np.float32(0.1), "0.1"),
        (Decimal("1.50"), "1.5"),
        ("1.50", "1.5"),
        ("+4", "4"),
        (np.True_, "1"),
        (" FALSE", "0"),
        # What the readers of tables take for text is no number here either.
        ("1_000", "1_000"),
        ("Infinity", "Infinity"),
        ("9" * 400, "9" * 400),
        (10**320, str(10**320)),
        ("1e400", "1e400"),
        (float("inf"), "inf"),
        ("2020-01-01", "2020-01-01"),
        (pd.Timestamp("2020-01-01"), "2020-01-01 00:00:00"),
        (np.timedelta64(1, "M"), "1 months"),
        (1j, "1j"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_code_is_the_shortest_text_of_a_number(cell, text):
    assert code(cell) == text


def test_whole_number_in_single_precision_is_exact_first():
    assert next(forms(np.float32(123456792))) == 123456792
    assert 123456790 in forms(np.float32(123456792))
