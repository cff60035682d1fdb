"""What `train` fits, the default or the best that a search finds, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch_binary_classifier import wording
from torch_binary_classifier.cli.progress import Watch
from torch_binary_classifier.cli.terminal import Output, write_paragraph
from torch_binary_classifier.estimator.fit_report import INTERRUPTED
from torch_binary_classifier.interface.watching import OutOfTime
from torch_binary_classifier.tuning import (
    CHANGES,
    MOST_TOGETHER,
    Candidate,
    default_grid,
    measured,
    settled,
    together,
)

__all__ = ["Training", "write_best", "write_candidate"]


class Training:
    """How `train` comes to its model.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted, its last step the network.
    watch : Watch
        Who tells how far it is, and ends it when time is over.
    stream : text file
        Where the report goes.
    tell_problem : callable
        Called with a sentence if the time limit ends something.
    given : collection of str, default=()
        Parameters of the network that are not searched for.

    Attributes
    ----------
    notes : list of str
        What the time limit has ended.
    """

    def __init__(
        self,
        pipeline: Any,
        watch: Watch,
        stream: Output,
        tell_problem: Callable[[str], object],
        given: Collection[str] = (),
    ) -> None:
        self.pipeline = pipeline
        self.watch = watch
        self.stream = stream
        self.tell_problem = tell_problem
        self.given = {f"{pipeline.steps[-1][0]}__{name}" for name in given}
        self.notes: list[str] = []
        self.found: list[Candidate] = []

    def fit(self, search: str, X: Any, y: Any) -> Any:
        """Return the fitted pipeline.

        Parameters
        ----------
        search : {"", "grid", "tune"}
            What is searched for.
        X : frame of shape (n_rows, n_columns)
            Training rows.
        y : ndarray of shape (n_rows,)
            Their labels.
        """
        if search:
            self._say("Searching for the best parameters")
            best = self._searched(search, X, y)
            self.pipeline.set_params(**best)
        self._say("Training")
        with self.watch.fitting():
            self.pipeline.fit(X, y)
        for one in getattr(self.pipeline[-1], "fit_report_", []):
            if one["what"] == INTERRUPTED:
                self._note(
                    f"ended the training after epoch {one['figures']['epochs']} of at "
                    f"most {one['figures']['max_iter']}"
                )
        return self.pipeline

    def _searched(self, search: str, X: Any, y: Any) -> Mapping[str, Any]:
        """Return the best parameters that there was time to measure."""
        if search == "tune":
            changes = [
                {name: value} for name, value in CHANGES if name not in self.given
            ]
            planned = [{}, *changes]
            n_candidates = len(planned) + MOST_TOGETHER - 1
        else:
            planned = default_grid(self.given)
            n_candidates = len(planned)
        is_whole = self._measure(planned, n_candidates, X, y)
        if search == "tune" and is_whole:
            combined = together(self.found[0], self.found[1:])
            is_whole = self._measure(combined, len(planned) + len(combined), X, y)
        if not self.found:
            self._note(
                "ended the search before a candidate was measured; the default is "
                "trained"
            )
            return {}
        if not is_whole:
            self._note(
                f"ended the search after {len(self.found)} of {n_candidates} candidates"
            )
        best = min(self.found, key=lambda candidate: candidate.loss)
        if search == "tune":
            best = settled(self.found[0], self.found[1:])
        write_best(best, self.stream)
        return best.parameters

    def _measure(
        self, planned: list[dict[str, Any]], n_candidates: int, X: Any, y: Any
    ) -> bool:
        """Measure candidates; return whether there was time for all."""
        for parameters in planned:
            if not self.watch.has_time_to_search:
                return False
            try:
                with self.watch.measuring(len(self.found) + 1, n_candidates):
                    candidate = measured(
                        self.pipeline, parameters, X, y, self.watch.telling
                    )
            except OutOfTime:
                return False
            self.found.append(candidate)
            write_candidate(candidate, self.stream)
        return True

    def _say(self, words: str) -> None:
        """Report what is done next."""
        self.stream.write(f"{words}\n")
        self.stream.flush()

    def _note(self, what: str) -> None:
        """Report what the time limit ended, and keep it for the model file."""
        sentence = f"The time limit of {self.watch.time_limit:g} s {what}."
        self.notes.append(sentence)
        self.tell_problem(sentence)


def write_candidate(candidate: Candidate, stream: Output) -> None:
    """Report what a search has measured.

    Parameters
    ----------
    candidate : Candidate
        The parameters and their losses.
    stream : text file
        Where to write.
    """
    write_paragraph(
        f"log-loss {candidate.loss:.4f} with {_named(candidate)}",
        stream,
        first="  ",
        indent="    ",
    )
    stream.flush()


def write_best(candidate: Candidate, stream: Output) -> None:
    """Report what a search has chosen.

    Parameters
    ----------
    candidate : Candidate
        The parameters and their losses.
    stream : text file
        Where to write.
    """
    write_paragraph(f"Best: {_named(candidate)}", stream)


def _named(candidate: Candidate) -> str:
    """Return a candidate's parameters as a phrase."""
    return wording.parameters(candidate.parameters) or "the default"
