"""The lesson of benchmarks/normalization.py, as figures that must hold."""

import pytest
from benchmarks.normalization import (
    REAL_SERIES,
    SEEDS,
    Setting,
    draw,
    format_table,
    make_circle_task,
    make_heart_rate_task,
    read_heart_rate_task,
    run,
    train,
)

RAW, STANDARDISED, BATCH_NORM = SETTINGS = [
    Setting(inputs, learning_rate_init=0.01, n_iterations=1_000)
    for inputs in ("raw", "standardised", "batch norm")
]


@pytest.fixture(scope="module", params=["generated", "real"])
def outcomes(request):
    """Return the outcomes of every setting, one for each seed."""
    if request.param == "generated":
        task = make_heart_rate_task()
    elif REAL_SERIES.exists():
        task = read_heart_rate_task(REAL_SERIES)
    else:
        pytest.skip("the real series is not beside this repository")
    results = run([task], SETTINGS)
    return {setting: results[task.name, setting] for setting in SETTINGS}


@pytest.mark.parametrize("cure", [STANDARDISED, BATCH_NORM], ids=lambda s: s.inputs)
def test_cure_learns_what_raw_inputs_do_not(outcomes, cure):
    cured = outcomes[cure]
    assert len(cured) == len(SEEDS)
    assert max(outcome.loss for outcome in cured) < 0.06
    assert min(outcome.accuracy for outcome in cured) > 0.99
    for raw, other in zip(outcomes[RAW], cured, strict=True):
        assert raw.loss >= 4 * other.loss


def test_circles_are_learnt_raw_because_they_are_centred():
    outcome = train(make_circle_task(), RAW, seed=0)
    assert outcome.loss < 0.06
    assert outcome.accuracy > 0.99


def test_generated_series_has_the_stated_moments():
    task = make_heart_rate_task()
    assert task.X.shape == (1800, 1)
    assert task.X.mean() == pytest.approx(92.6)
    assert task.X.std() == pytest.approx(5.5)
    assert 0.5 < task.y.mean() < 0.7


def test_series_is_read_by_column_name(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("target,hr\n1,95.5\n0,80.25\n")
    task = read_heart_rate_task(path)
    assert task.X.tolist() == [[95.5], [80.25]]
    assert task.y.tolist() == [1, 0]


def test_table_and_picture_show_every_setting(tmp_path):
    settings = [Setting(inputs, 0.01, 2) for inputs in ("raw", "batch norm")]
    results = run([make_heart_rate_task(n_rows=50)], settings)
    header, *lines, footer = format_table(results)
    assert [line.split()[3] for line in lines] == ["raw", "batch"]
    assert header.startswith("task")
    assert "median of 5 seeds" in footer
    draw(results, tmp_path / "docs" / "curves.png")
    assert (tmp_path / "docs" / "curves.png").read_bytes().startswith(b"\x89PNG")
