"""Tells the user about rows that are on no scale to learn from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from torch_binary_classifier.estimator import kinship, scoring_scale, validation_scale
from torch_binary_classifier.estimator.automatic import Plan
from torch_binary_classifier.estimator.checked_rows import column_names
from torch_binary_classifier.estimator.column_faults import (
    find_cancelled,
    find_constant,
    find_twins,
)
from torch_binary_classifier.estimator.input_scale import InputScale, measure
from torch_binary_classifier.estimator.scale_probe import (
    Measured,
    Probe,
    doubtful,
    measured_harm,
)
from torch_binary_classifier.estimator.unscaled_columns import (
    SCALER,
    Finding,
    Verdict,
    find_unscaled,
)
from torch_binary_classifier.exceptions import UnscaledInputWarning
from torch_binary_classifier.interface.problem import WeightedRows

AT_ONCE = f"{SCALER}, or set input_norm='batch'."
ENCODED = f"{SCALER}."
STREAM = (
    "Set input_norm='batch', or transform every batch by a StandardScaler that was "
    "fitted before."
)


def report_scale(
    estimator: Any,
    rows: WeightedRows,
    plan: Plan,
    watched: WeightedRows | None = None,
    probe: Probe | None = None,
) -> bool:
    """Warn, or raise, when rows are not on a network's scale or on different ones.

    The scale is kept, for rows to score. With a probe it is measured what a doubtful
    one costs; without, limits decide.

    Returns
    -------
    bool
        Whether there was something to tell.
    """
    remedy = ENCODED if _is_encoded(plan) else AT_ONCE
    kin = kinship.leave(estimator)
    scale = keep_scale(estimator, rows)
    verdict = None
    if probe is not None and _is_to_be_measured(estimator, plan, kin):
        probing = partial(
            measured_harm,
            estimator,
            rows,
            scale,
            plan,
            probe,
            is_watched=plan.early_stopping or watched is not None,
        )
        verdict = _measured(scale, kin, probing)
    found, twins = _findings(estimator, rows, scale, plan, remedy, verdict)
    if watched is not None and estimator.unscaled_input != "ignore":
        found.append(
            validation_scale.find_strayed(
                _of_the_classes_in(watched, rows),
                watched.features,
                column_names(estimator),
            )
        )
    return _tell(estimator, kin, found, twins)


def report_stream(
    estimator: Any, rows: WeightedRows, plan: Plan, *, going_on: bool
) -> None:
    """Do the same about the first rows of a stream; keep the scale of all."""
    scale = keep_scale(estimator, rows)
    if not going_on:
        kin = kinship.leave(estimator)
        _tell(estimator, kin, *_findings(estimator, rows, scale, plan, STREAM))


def keep_scale(estimator: Any, rows: WeightedRows) -> InputScale:
    """Measure rows, and keep their scale together with that of the rows before."""
    scale = measure(rows.features)
    before, kept = vars(estimator).get("input_scale_"), scoring_scale.to_keep(scale)
    if before is not None:
        kept = scoring_scale.joined(before, kept)
    estimator.input_scale_ = kept
    return scale


Findings = list[Finding | None]


def _is_to_be_measured(estimator: Any, plan: Plan, kin: kinship.Kin | int) -> bool:
    """Return whether somebody would hear of what a scale costs the networks."""
    given = estimator.unscaled_input
    heard = given == "raise" or (given == "warn" and not kinship.is_silent(kin))
    return heard and estimator.input_norm is None and not _is_encoded(plan)


def _measured(
    scale: InputScale, kin: kinship.Kin | int, measure: Callable[[], Measured | None]
) -> Verdict | None:
    """Return what measurements say; once for fits with the same doubtful columns."""
    doubted = doubtful(scale)
    if not doubted.any():
        return Verdict(doubted)
    small = scale.rms < 1
    key = ("measured", *(tuple(np.flatnonzero(doubted & a)) for a in (small, ~small)))
    found = kinship.once(kin, key, measure)
    if found is None:
        return None
    return Verdict(doubted & found.harmed, found.sentence + " ")


def _findings(
    estimator: Any,
    rows: WeightedRows,
    scale: InputScale,
    plan: Plan,
    remedy: str,
    verdict: Verdict | None = None,
) -> tuple[Findings, Finding | None]:
    """Return what harms training, and what does not."""
    if estimator.unscaled_input == "ignore":
        return [], None
    names, encoded = column_names(estimator), _is_encoded(plan)
    found: Findings = []
    if estimator.input_norm is None:
        unscaled = find_unscaled(
            rows.features,
            scale,
            names,
            encoded=encoded,
            remedy=remedy,
            measured=verdict,
        )
        found.append(unscaled)
    if estimator.input_norm is None and not encoded:
        found.append(find_constant(scale, names))
        if plan.kinds[0].settings.dtype == "float32":
            found.append(find_cancelled(scale, names))
    return found, find_twins(rows.features, scale, names)


def _is_encoded(plan: Plan) -> bool:
    """Return whether networks see the columns' bins, which know no scale."""
    return any(kind.encoding is not None for kind in plan.kinds)


def _of_the_classes_in(watched: WeightedRows, rows: WeightedRows) -> Any:
    """Return the training rows that watched rows can be compared with.

    Rows of one class may well all be at one end of a column.
    """
    classes = np.unique(watched.targets)
    if len(classes) == 2:
        return rows.features
    return rows.features[np.flatnonzero(rows.targets == classes[0])]


def _tell(
    estimator: Any, kin: kinship.Kin | int, found: Findings, twins: Finding | None
) -> bool:
    """Warn or raise, as ``unscaled_input`` says, if there is something; once a search.

    Twins do no harm and are no error.
    """
    harm = [one for one in found if one is not None]
    if harm and estimator.unscaled_input == "raise":
        raise ValueError(" ".join(one.sentence for one in harm))
    for together in (harm, [] if twins is None else [twins]):
        new = [one for one in together if _is_new(one, kin)]
        if new:
            message = " ".join(one.sentence for one in new)
            # The caller of fit, which has called report_scale.
            warnings.warn(message, UnscaledInputWarning, stacklevel=4)
    return bool(harm)


def _is_new(finding: Finding, kin: kinship.Kin | int) -> bool:
    """Return whether a finding has not been told by another fit of a search."""
    return kinship.is_first(kin, finding.kind, tuple(finding.columns.tolist()))
