"""From which share of a column's texts on the others are told as odd ones."""

import pyarrow as pa
import pytest

from torch_binary_classifier.cli.numerals import nearly


@pytest.mark.parametrize(("n_numbers", "is_told"), [(66, False), (67, True)])
def test_two_numbers_in_three_make_a_text_an_odd_one(n_numbers, is_told):
    column = ["7"] * n_numbers + ["unknown"] * (100 - n_numbers)
    words = list(nearly(pa.array(column)))
    row = f"row {n_numbers} (rows are counted from 0)"
    told = [f"is taken for text, because {row} holds 'unknown'"]
    assert words == (told if is_told else [])


@pytest.mark.parametrize(("n_numbers", "is_told"), [(66, False), (67, True)])
def test_two_percentages_in_three_make_a_column_of_them(n_numbers, is_told):
    column = ["7%"] * n_numbers + ["unknown"] * (100 - n_numbers)
    words = [sentence.partition(",")[0] for sentence in nearly(pa.array(column))]
    told = ["looks like percentages", "is taken for text"]
    assert words == (told if is_told else [])


def test_gaps_count_for_nothing():
    column = ["7"] * 2 + ["unknown"] + ["NA", "", None] * 9
    assert any("holds 'unknown'" in sentence for sentence in nearly(pa.array(column)))
