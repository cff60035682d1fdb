"""Pictures as SVG that takes its colours from the page; knows matplotlib only."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch_binary_classifier.report_page.markup import escaped

__all__ = ["drawn"]

# Colours that stand for those of the page, which a dark screen has others of.
INK, PAGE, LINE = "#0a0b01", "#0a0b02", "#0a0b03"
CYCLE = ("#0a0b10", "#0a0b11", "#0a0b12", "#0a0b13")
COLOURS = {
    INK: "var(--ink)",
    "#000000": "var(--ink)",
    PAGE: "var(--page)",
    LINE: "var(--line)",
    **{colour: f"var(--c{place})" for place, colour in enumerate(CYCLE)},
}
# Inches: as wide as a telephone, so that letters are large enough there.
WIDTH, HEIGHT = 4.0, 3.0
SETTINGS = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": PAGE,
    "legend.facecolor": PAGE,
    "legend.edgecolor": LINE,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def drawn(draw: Callable[[Any], object], name: str, *, height: float = HEIGHT) -> str:
    """Return a picture as SVG to stand in a page.

    Parameters
    ----------
    draw : callable
        Draws on the axes that it is given.
    name : str
        Of which no other picture of the page is; also for those who cannot see it.
    height : float, default=3.0
        In inches, of 4 of width.

    Returns
    -------
    str
        One element ``svg``, the same for the same picture.
    """
    style = import_module("matplotlib.style")
    figures = import_module("matplotlib.figure")
    cycle = import_module("cycler").cycler(color=CYCLE)
    # Whatever style the user draws in, a page looks like a page.
    with style.context(["default", {**SETTINGS, "axes.prop_cycle": cycle}]):
        figure = figures.Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        file = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    return _for_page(file.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    """Return SVG without what only a file needs, in the page's colours and names."""
    prefix = re.sub(r"\W+", "-", name.lower())
    inner = svg[svg.index(">", svg.index("<svg")) + 1 :].strip()
    (box,) = re.findall(r'<svg[^>]*viewBox="([^"]*)"', svg)
    inner = re.sub(r"<style.*?</style>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<defs>\s*</defs>\s*", "", inner)
    # Ids of one page, in all of its pictures, must differ.
    inner = re.sub(r' id="', f' id="{prefix}-', inner)
    inner = re.sub(r"url\(#", f"url(#{prefix}-", inner)
    inner = re.sub(r'xlink:href="#', f'href="#{prefix}-', inner)
    inner = inner.replace("xlink:href=", "href=")
    for colour, variable in COLOURS.items():
        inner = inner.replace(colour, variable)
    label = escaped(name)
    return f'<svg role="img" aria-label="{label}" viewBox="{box}">\n{inner}'
