"""What a notebook shows of a training."""

import re
import xml.etree.ElementTree as ET

import pytest
import sklearn

from builders import network
from torch_binary_classifier.estimator.html import MOST_POINTS, course_html, curve_svg


def parsed(losses, held_out=()):
    return ET.fromstring(curve_svg(losses, held_out))


def words(svg):
    return [one.text for one in svg.iter("text")]


def test_both_curves_the_best_epoch_and_the_end():
    svg = parsed([0.9, 0.5, 0.3, 0.2], [0.8, 0.6, 0.7, 0.75])
    assert len(svg.findall("polyline")) == 2
    assert {"training", "validation", "best: 2", "end: 4"} <= set(words(svg))
    (mark,) = svg.findall("circle")
    assert float(mark.get("cx")) == pytest.approx(48 + 342 / 3, abs=0.1)


def test_without_validation_the_training_loss_is_watched():
    svg = parsed([0.9, 0.5, 0.6])
    assert len(svg.findall("polyline")) == 1
    assert "best: 2" in words(svg)
    assert "validation" not in words(svg)


@pytest.mark.parametrize("losses", [[0.5], [0.5, 0.5], [0.5, float("inf")], [1e300, 1]])
def test_odd_curves_lie_in_the_picture(losses):
    for line in parsed(losses).findall("polyline"):
        places = re.findall(r"[\d.]+", line.get("points"))
        assert all(0 <= float(place) <= 400 for place in places)


def test_long_curves_are_thinned_out():
    (line,) = parsed([1 / n for n in range(1, 5001)]).findall("polyline")
    assert len(line.get("points").split()) <= MOST_POINTS + 2


def test_the_page_decides_on_the_colours_and_nothing_is_fetched(tiny_data):
    html = course_html(network().fit(*tiny_data))
    assert "currentColor" in html
    assert not re.search(r"http|href|url\(|background|#[0-9a-f]{3}|rgb", html)


def test_the_findings_are_listed(tiny_data):
    model = network().fit(*tiny_data)
    assert "<li>" not in course_html(model)
    message = "a < b"
    model.fit_report_ = [{"what": "gap", "message": message, "figures": {}}]
    assert "<li>a &lt; b</li>" in model._repr_html_()
    assert "<li>a &lt; b</li>" in model._repr_mimebundle_()["text/html"]


def test_an_unfitted_estimator_has_the_diagram_only():
    html = network()._repr_html_()
    assert "<svg viewBox" not in html
    assert "TorchBinaryClassifier" in html


def test_who_wants_text_gets_text(tiny_data):
    model = network().fit(*tiny_data)
    with sklearn.config_context(display="text"):
        assert set(model._repr_mimebundle_()) == {"text/plain"}
        assert not hasattr(model, "_repr_html_")
