"""docs/architecture.md names files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "pipeline" / "torch_binary_classifier"
NAMES = sorted(set(re.findall(r"[A-Za-z_/]+\.(?:py|md)\b", TEXT)))


@pytest.mark.parametrize("name", NAMES)
def test_file_is_there(name):
    assert (PACKAGE / name).is_file() or (ROOT / name).is_file()


@pytest.mark.parametrize(
    "room", ["estimator", "training", "search", "tables", "scoring", "onnx_graph"]
)
def test_every_room_is_on_the_way(room):
    assert any(name.startswith(f"{room}/") for name in NAMES)
