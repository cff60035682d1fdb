"""What a notebook shows of a fitted estimator beside scikit-learn's diagram.

The curve takes the colour of the text around it and has no background, so it is as
readable on dark as on light pages, and refers to nothing outside of itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from torch_binary_classifier.estimator.fit_report import report_lines

WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 28, 34
MOST_POINTS = 200  # of a line: two per three pixels

TRAINING = 'stroke-width="1.2" stroke-dasharray="4 2"'
VALIDATION = 'stroke-width="2"'


class CourseHtml:
    """The loss curve and the report of the last fit, below the diagram."""

    def _repr_html_inner(self) -> str:
        """Return the diagram, then the course of the training."""
        return str(super()._repr_html_inner()) + course_html(self)  # type: ignore[misc]

    def _repr_mimebundle_(self, **given: Any) -> dict[str, Any]:
        """Return the same for Jupyter."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**given)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle


def course_html(estimator: Any) -> str:
    """Return the course of a fitted estimator's training; nothing of an unfitted."""
    losses = getattr(estimator, "loss_curve_", None)
    if not losses:
        return ""
    held_out = estimator.validation_loss_curve_ or []
    items = "".join(f"<li>{escape(one)}</li>" for one in report_lines(estimator))
    found = f'<ul style="margin:4px 0;padding-left:20px">{items}</ul>' if items else ""
    return (
        f'<div style="max-width:{WIDTH}px;font:13px sans-serif">'
        f"{curve_svg(losses, held_out)}{found}</div>"
    )


def curve_svg(losses: Sequence[float], held_out: Sequence[float]) -> str:
    """Return the loss curves as SVG, with the best epoch and the last one.

    Parameters
    ----------
    losses : sequence of float
        Training losses; not empty.
    held_out : sequence of float
        Validation losses, perhaps of fewer epochs or of none.
    """
    frame = Frame([*losses, *held_out], max(len(losses), len(held_out)))
    watched = held_out or losses
    best = min(range(len(watched)), key=watched.__getitem__)
    parts = [
        frame.axes(),
        frame.line(losses, TRAINING),
        frame.line(held_out, VALIDATION) if held_out else "",
        frame.mark(best, watched[best]),
        frame.end(),
        _legend(bool(held_out)),
    ]
    title = f"Loss by epoch: {len(losses)} epochs, best {watched[best]:.4g}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" fill="none" '
        f'stroke="currentColor" font-size="11" font-family="sans-serif">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


class Frame:
    """Where epochs and losses lie in the picture."""

    def __init__(self, losses: Sequence[float], n_epochs: int) -> None:
        finite = [one for one in losses if math.isfinite(one)] or [0.0]
        self.low, self.high = min(finite), max(finite)
        self.n_epochs = n_epochs

    def x(self, epoch: int) -> float:
        """Return the place of an epoch, counted from 0."""
        share = epoch / max(1, self.n_epochs - 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, loss: float) -> float:
        """Return the place of a loss."""
        share = (loss - self.low) / ((self.high - self.low) or 1.0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def line(self, losses: Sequence[float], style: str) -> str:
        """Return a curve."""
        step = max(1, len(losses) // MOST_POINTS)
        epochs = [*range(0, len(losses), step)]
        if epochs[-1] != len(losses) - 1:
            epochs.append(len(losses) - 1)
        points = " ".join(
            f"{self.x(epoch):.1f},{self.y(losses[epoch]):.1f}"
            for epoch in epochs
            if math.isfinite(losses[epoch])
        )
        return f'<polyline points="{points}" {style}/>'

    def axes(self) -> str:
        """Return the axes, and what they measure."""
        bottom = HEIGHT - BOTTOM
        return (
            f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" opacity="0.5"/>'
            + _text(LEFT - 5, TOP + 4, f"{self.high:.3g}", "end")
            + _text(LEFT - 5, bottom, f"{self.low:.3g}", "end")
            + _text(LEFT, bottom + 14, "1", "start")
            + _text(WIDTH / 2, HEIGHT - 6, "epoch", "middle")
            + _text(LEFT - 5, HEIGHT / 2, "loss", "end")
        )

    def mark(self, epoch: int, loss: float) -> str:
        """Return the mark of the best epoch."""
        x, y = self.x(epoch), self.y(loss)
        anchor = "end" if epoch > self.n_epochs / 2 else "start"
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="currentColor"/>' + _text(
            x, y - 8, f"best: {epoch + 1}", anchor
        )

    def end(self) -> str:
        """Return the line where the training ended."""
        x = self.x(self.n_epochs - 1)
        return (
            f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke-dasharray="1 3"/>'
            + _text(x, HEIGHT - BOTTOM + 14, f"end: {self.n_epochs}", "end")
        )


def _legend(has_validation: bool) -> str:
    """Return which line is which."""
    parts = [f'<path d="M{LEFT} 12h24" {TRAINING}/>', _text(LEFT + 30, 16, "training")]
    if has_validation:
        x = LEFT + 110
        parts += [f'<path d="M{x} 12h24" {VALIDATION}/>']
        parts += [_text(x + 30, 16, "validation")]
    return "".join(parts)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Return a word at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" stroke="none" '
        f'fill="currentColor">{escape(words)}</text>'
    )
