"""The epochs of members that are trained together, and what becomes of each.

Knows members, their losses and results; nothing of how a step is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from torch_binary_classifier.training.averaging import WeightAverage
from torch_binary_classifier.training.epochs import EpochReader
from torch_binary_classifier.training.evaluation import Evaluation, Scorer
from torch_binary_classifier.training.interruption import Stop, never
from torch_binary_classifier.training.members import (
    EpochReport,
    Member,
    MemberResult,
    MemberState,
    Setup,
)
from torch_binary_classifier.training.seeding import RowOrders
from torch_binary_classifier.training.state import BlockState, starting_state
from torch_binary_classifier.training.stepper import Stepper
from torch_binary_classifier.training.stopping import History
from torch_binary_classifier.training.threads import Team

COMPACT_FRACTION = 0.25  # stopped members are taken out once they are this many


@dataclass
class Course:
    """One member's way through the epochs.

    Parameters
    ----------
    number : int
        The member's number among all that are trained.
    member : Member
        Its rows and hyperparameters.
    history : History
        Its losses so far.
    earlier : dict of int to MemberResult
        Its results at its stops so far.
    """

    number: int
    member: Member
    history: History
    earlier: dict[int, MemberResult] = field(default_factory=dict)

    @property
    def n_epochs_before(self) -> int:
        """Epochs of the runs that this one goes on from."""
        return 0 if self.member.state is None else self.member.state.n_epochs

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch of this run, counted from 0."""
        n_rows = len(self.member.train)
        return self.history.rate.at(epoch, (self.n_epochs_before + epoch) * n_rows)


class Block:
    """Members that are trained together, to the end of each.

    Parameters
    ----------
    setup : Setup
        What the members have in common.
    members : mapping of int to Member
        The members by number.
    team : Team
        Works on the slices of a batch.
    """

    def __init__(self, setup: Setup, members: Mapping[int, Member], team: Team) -> None:
        self.setup = setup
        self.team = team
        self.courses = [
            Course(number, member, History(member.hyperparameters))
            for number, member in members.items()
        ]
        self.epoch = 0
        self.results: dict[int, MemberResult] = {}
        states = [
            starting_state(setup.architecture, member) for member in members.values()
        ]
        where = setup.device.where
        self.state = BlockState.of(setup.architecture, states, where)
        self.best = self.state.copy()
        decay = self.courses[0].member.hyperparameters.weight_average
        self.average: WeightAverage | None = None
        if decay:
            self.average = WeightAverage.of(self.state, decay)
        self._prepare(states[0].n_steps, [state.moments for state in states])

    def _prepare(self, n_steps: int, moments: Sequence[dict[str, Tensor]]) -> None:
        """Make what trains the present members."""
        members = [course.member for course in self.courses]
        rows = [member.train for member in members]
        device, parameters = self.setup.device, self.state.parameters
        batches = self.setup.batches(len(rows[0]))
        pieces = device.pieces(rows[0].features.n_features, batches)
        self.orders = RowOrders(
            [one.index for one in rows],
            [self._shuffling_seed(member, len(batches)) for member in members],
        )
        self.reader = EpochReader(rows, pieces, parameters, self.setup.slices)
        self.stepper = Stepper(self.setup, self.state, members, self.team, self.average)
        self.stepper.go_on(n_steps, moments)
        self.validation = Evaluation.of(
            [member.validation for member in members], parameters
        )
        self.scorer = Scorer(self.current, device.product)

    @property
    def current(self) -> BlockState:
        """The networks as they are to be judged: the parameters or their average."""
        return self.state if self.average is None else self.average.state

    @staticmethod
    def _shuffling_seed(member: Member, n_batches: int) -> int | None:
        """Return the seed of a member's row orders; one batch needs no order."""
        given = member.hyperparameters
        return given.seed if given.shuffle and n_batches > 1 else None

    def run(
        self, report: EpochReport | None, stop: Stop = never
    ) -> dict[int, MemberResult]:
        """Train until every member has stopped; return results by member number."""
        while self.courses:
            self.advance(report, stop)
        return self.results

    def advance(self, report: EpochReport | None, stop: Stop = never) -> None:
        """Train the members that have not stopped for an epoch, or end them."""
        if self._train_epoch(stop):
            self._end_epoch(report)
            self._take_out(course.history.stopped for course in self.courses)
        else:
            self._take_out(True for _ in self.courses)

    def so_far(self) -> dict[int, MemberResult]:
        """Return what would become of the members now, by number."""
        running = {
            course.number: self._result(place)
            for place, course in enumerate(self.courses)
        }
        return running | self.results

    @property
    def rates(self) -> list[float]:
        """Learning rates of the epoch to come, of the members in training."""
        return [course.rate(self.epoch) for course in self.courses]

    def _train_epoch(self, stop: Stop) -> bool:
        """Take the steps of an epoch; return whether it came to its end."""
        epochs = [course.n_epochs_before + self.epoch for course in self.courses]
        self.stepper.begin_epoch(self.rates, epochs)
        for piece in self.reader.read(self.orders.of(epochs)):
            if stop():
                return False
            for batch in piece.batches:
                self.stepper.step(batch)
            self.stepper.add_losses(piece)
        return True

    def _end_epoch(self, report: EpochReport | None) -> None:
        """Record the losses, keep the best weights, report."""
        self.epoch += 1
        losses = self.stepper.end_epoch()
        held_out: Sequence[float | None] = [None] * len(losses)
        scores: list[float] = []
        if self.validation is not None:
            held_out, scores = self.scorer.judged(self.validation)
        for place, course in enumerate(self.courses):
            history = course.history
            if history.stopped:
                continue
            improved = history.add(losses[place], held_out[place])
            history.validation_scores += scores[place : place + 1]
            if improved and self.validation is not None:
                self.best.keep(place, self.current)
            n_epochs = len(history.losses)
            if n_epochs in course.member.stops and not history.stopped:
                course.earlier[n_epochs] = self._result(place)
            if report is not None:
                report(course.number, n_epochs, losses[place], held_out[place])

    def _take_out(self, are_out: Iterable[bool]) -> None:
        """Hand out results of stopped members and close the gaps they leave."""
        staying = []
        for place, is_out in enumerate(are_out):
            course = self.courses[place]
            if not is_out:
                staying.append(place)
            elif course.number not in self.results:
                result = replace(self._result(place), earlier=course.earlier)
                self.results[course.number] = result
        n_members = len(self.courses)
        if not staying:
            self.courses = []
        elif n_members - len(staying) >= max(1, COMPACT_FRACTION * n_members):
            self._compact(staying)

    def _compact(self, staying: list[int]) -> None:
        """Go on with some of the members only."""
        optimizer = self.stepper.optimizer
        moments = [optimizer.member_moments(place) for place in staying]
        self.courses = [self.courses[place] for place in staying]
        self.state = self.state.compact(staying)
        if self.average is not None:
            self.average = self.average.compact(staying, self.state)
        self.best = self.best.compact(staying)
        self._prepare(optimizer.n_steps, moments)

    def _result(self, place: int) -> MemberResult:
        """Return what became of a member."""
        history, state = self.courses[place].history, self._member_state(place)
        diverged = history.diverged_epoch
        tensors = [*state.coefs, *state.intercepts]
        if diverged is None and not all(bool(one.isfinite().all()) for one in tensors):
            diverged = len(history.losses)
        return MemberResult(
            state,
            list(history.losses),
            list(history.validation_losses),
            history.converged,
            diverged,
            validation_scores=list(history.validation_scores),
        )

    def _member_state(self, place: int) -> MemberState:
        """Return a member's last state, or the best one where rows are held out."""
        networks = self.current if self.validation is None else self.best
        optimizer = self.stepper.optimizer
        return replace(
            networks.member(place),
            moments=optimizer.member_moments(place),
            n_steps=optimizer.n_steps,
            n_epochs=self.courses[place].n_epochs_before + self.epoch,
        )
