"""What the package says that it needs, against what it is tested on."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = [requirement.partition(">=")[0] for requirement in PROJECT["dependencies"]]


def pins(name):
    """Return the versions of a file of constraints."""
    lines = (ROOT / name).read_text().splitlines()
    pinned = [line.partition("#")[0].strip() for line in lines]
    return dict(line.split("==") for line in pinned if line)


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_lowest_environment_has_the_lower_bound(requirement):
    name, _, bound = requirement.partition(">=")
    assert bound
    assert f"{pins('constraints-lowest.txt')[name]}.".startswith(f"{bound}.")


def test_own_environment_pins_what_is_needed():
    assert set(NEEDED) <= set(pins("constraints.txt"))
