"""``fit_many``: the only training loop of the first-order solvers.

Knows members, row sets and tensors; nothing of labels, estimators or files. A single
fit is the loop's case of one member.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from torch_binary_classifier.training.dropout import DropoutRandomness
from torch_binary_classifier.training.epochs import EpochReader, batch_starts, filled_up
from torch_binary_classifier.training.evaluation import Evaluation, Scorer
from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.interruption import Stop, never
from torch_binary_classifier.training.kernels import Kernel, run_all
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.members import (
    EpochReport,
    Member,
    MemberResult,
    MemberState,
)
from torch_binary_classifier.training.network import Network
from torch_binary_classifier.training.normalisation import (
    BatchNormInput,
    InputStatistics,
)
from torch_binary_classifier.training.objective import (
    Penalty,
    loss_kernels,
    member_losses,
    residual_kernels,
)
from torch_binary_classifier.training.optimizer import (
    OPTIMIZERS,
    RECORDABLE,
    Optimizer,
    StepSize,
)
from torch_binary_classifier.training.pieces import Batch, Piece, whole
from torch_binary_classifier.training.recording import repeated
from torch_binary_classifier.training.rows import RowSet
from torch_binary_classifier.training.seeding import DROPOUT, shuffled, stream_seed
from torch_binary_classifier.training.stopping import History
from torch_binary_classifier.training.threads import (
    Team,
    bare_kernels,
    one_thread_per_kernel,
)

# State and activations of the members of a block stay within the second-level cache
# and a share of the third (measured in benchmarks/ensemble_speed.py).
BLOCK_BYTES = 2 << 20
LARGEST_BLOCK = 64

# Where the steps of all members take so many operations, as many blocks as threads
# are made. Below, the blocks' threads would wait for Python's lock more than they win.
SHARED_FLOPS = 12_000_000

# A step of so many operations is cut into slices of rows, which threads share out.
# How it is cut depends on the step alone: the bits are those of one thread.
# Two slices of 512 rows beat four of 256 by 9 %: fewer, larger products.
SLICED_FLOPS = 32_000_000
LARGEST_N_SLICES = 8
LARGE_SLICE_ROWS = 512

# Moments become denormal slowly: looking at them once in so many steps is enough.
STEPS_BETWEEN_FLUSHES = 64

COMPACT_FRACTION = 0.25  # stopped members are taken out once they are this many


def fit_many(
    architecture: Architecture,
    solver: str,
    members: Sequence[Member],
    *,
    batch_size: int,
    device: str = "cpu",
    report: EpochReport | None = None,
    stop: Stop = never,
) -> list[MemberResult]:
    """Train every member to its end.

    Parameters
    ----------
    architecture : Architecture
        Shared by all members.
    solver : {"adam", "adamw", "sgd"}
        Shared by all members.
    members : sequence of Member
        Their order is the order of the results.
    batch_size : int
        Rows per step and member, in 1 to the number of rows.
    device : str
        A torch device; results are always on the CPU.
    report : callable, optional
        Called with (member, epoch, loss, validation loss or None) after each epoch.
    stop : callable, optional
        Asked now and then between two steps. Once it says True, all members end with
        the weights that they have, or with the best ones.

    Returns
    -------
    list of MemberResult

    Notes
    -----
    A member's result depends on its own rows, hyperparameters and seed only, bit for
    bit, on one machine. Members whose batches are as large, the last one filled up, are
    stacked into blocks that fit the cache; each block is trained to its end.
    """
    results: dict[int, MemberResult] = {}
    members = _on_device(members, torch.device(device))

    @bare_kernels()
    def train(numbers: list[int], n_threads: int) -> None:
        chosen = [members[number] for number in numbers]
        with Team(n_threads) as team:
            block = Block(
                architecture, solver, chosen, batch_size, torch.device(device), team
            )
            block.numbers = numbers
            results.update(block.run(report, stop))

    with one_thread_per_kernel() as n_threads, Team(n_threads) as team:
        blocks = _blocks(architecture, members, batch_size, n_threads)
        inner = n_threads if len(blocks) == 1 else 1
        team.run([partial(train, numbers, inner) for numbers in blocks])
    return [results[number] for number in range(len(members))]


def _on_device(members: Sequence[Member], device: torch.device) -> Sequence[Member]:
    """Return the members with their rows on a device; shared rows stay shared."""
    if device.type == "cpu":
        return members
    moved: dict[int, Any] = {}

    def there(part: Any) -> Any:
        return moved.setdefault(id(part), part.to(device))

    def rows_there(rows: RowSet) -> RowSet:
        parts = (rows.features, rows.index, rows.targets, rows.weights)
        return RowSet(*map(there, parts))

    return [
        replace(
            member,
            train=rows_there(member.train),
            validation=member.validation and rows_there(member.validation),
        )
        for member in members
    ]


def block_size(architecture: Architecture, batch_size: int) -> int:
    """Return how many members of an architecture fit one block."""
    layout = ParameterLayout(architecture, 1)
    widths = sum(architecture.hidden_layer_sizes)
    state = 4 * layout.member_size + 2 * batch_size * widths
    return max(
        1, min(LARGEST_BLOCK, BLOCK_BYTES // (state * architecture.dtype.itemsize))
    )


def step_bounds(
    architecture: Architecture, n_rows: int, batch_size: int
) -> list[tuple[int, int]]:
    """Return the (start, stop) of an epoch's batches, the last one filled up."""
    smallest = 1 if architecture.input_norm is None else 2
    return filled_up(batch_starts(n_rows, batch_size, smallest))


def row_slices(architecture: Architecture, n_rows: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of the slices of a batch.

    Examples
    --------
    >>> small = Architecture(20, (100,), "relu", None, torch.float32)
    >>> row_slices(small, 200)
    [(0, 200)]
    >>> large = Architecture(20, (256, 128), "relu", None, torch.float32)
    >>> row_slices(large, 256)
    [(0, 128), (128, 256)]
    """
    n_slices = 1
    large = architecture.flops_per_row * n_rows >= SLICED_FLOPS
    if large and architecture.input_norm is None:  # which needs the whole batch
        n_slices = min(max(2, n_rows // LARGE_SLICE_ROWS), LARGEST_N_SLICES)
    bounds = [n_rows * part // n_slices for part in range(n_slices + 1)]
    return list(pairwise(bounds))


def _blocks(
    architecture: Architecture,
    members: Sequence[Member],
    batch_size: int,
    n_threads: int,
) -> list[list[int]]:
    """Group members with equal batches and steps; split to fit the cache.

    Members that one call can update come together, and among them those on the same
    rows, since they share a gather where their seeds are equal too.
    """
    groups: dict[tuple[int, int, int, int, bool], list[int]] = {}
    row_sets: dict[tuple[int, int], int] = {}

    def rows_of(member: Member) -> tuple[int, int]:
        return id(member.train.features), id(member.train.index)

    for number, member in enumerate(members):
        held_out = 0 if member.validation is None else len(member.validation)
        n_steps = 0 if member.state is None else member.state.n_steps
        dropout = member.hyperparameters.dropout > 0
        start, stop = step_bounds(architecture, len(member.train), batch_size)[-1]
        key = (start, stop, held_out, n_steps, dropout)
        groups.setdefault(key, []).append(number)
        row_sets.setdefault(rows_of(member), number)

    def order(number: int) -> tuple[float, ...]:
        member = members[number]
        return (*_run_key(member), row_sets[rows_of(member)])

    blocks = []
    for (start, stop, *_), numbers in groups.items():
        numbers.sort(key=order)
        n_rows = stop if start == 0 else batch_size
        n_blocks = -(-len(numbers) // block_size(architecture, n_rows))
        flops = architecture.flops_per_row * n_rows * len(numbers)
        if flops >= SHARED_FLOPS and len(groups) < n_threads:
            n_blocks = max(n_blocks, min(n_threads, len(numbers)))
        bounds = [len(numbers) * part // n_blocks for part in range(n_blocks + 1)]
        blocks += [numbers[first:last] for first, last in pairwise(bounds)]
    return blocks


def _run_key(member: Member) -> tuple[float, ...]:
    """Return what members need to share to be updated by one call."""
    given = member.hyperparameters
    return (
        given.learning_rate_init,
        given.beta_1,
        given.beta_2,
        given.epsilon,
        given.momentum,
        float(given.nesterovs_momentum),
    )


class Block:
    """Members that are trained together, and the buffers they need."""

    def __init__(
        self,
        architecture: Architecture,
        solver: str,
        members: Sequence[Member],
        batch_size: int,
        device: torch.device,
        team: Team,
    ) -> None:
        self.architecture = architecture
        self.solver = solver
        self.team = team
        self.members = list(members)
        self.device = device
        self.numbers = list(range(len(members)))
        self.batches = step_bounds(architecture, len(members[0].train), batch_size)
        self.histories = [History(member.hyperparameters) for member in members]
        self.generator = torch.Generator()
        self.epochs_before = [
            0 if member.state is None else member.state.n_epochs for member in members
        ]
        self.epoch = 0
        self.results: dict[int, MemberResult] = {}
        self.earlier: dict[int, dict[int, MemberResult]] = defaultdict(dict)
        self._allocate([self._start(member) for member in self.members])

    def _start(self, member: Member) -> MemberState:
        """Return the state a member starts from."""
        if member.state is not None:
            return member.state
        generator = torch.Generator()
        generator.manual_seed(member.hyperparameters.seed)
        bias = member.hyperparameters.output_bias
        return MemberState(*initial_parameters(self.architecture, generator, bias))

    def _allocate(self, states: Sequence[MemberState]) -> None:
        """Build buffers, networks and the optimizer for the current members."""
        self.layout = layout = ParameterLayout(self.architecture, len(self.members))
        self.parameters = layout.new_buffer(self.device)
        self.gradients = layout.new_buffer(self.device)
        kinds = RECORDABLE if self.device.type == "cuda" else OPTIMIZERS
        self.optimizer: Optimizer = kinds[self.solver](
            layout, self.parameters, self.gradients
        )
        self.optimizer.n_steps = states[0].n_steps
        self.rates: list[float] = []
        self.losses = self.parameters.new_zeros(len(states), dtype=torch.float64)
        self.statistics = InputStatistics.initial(
            self.architecture, len(states), self.device
        )
        for place, state in enumerate(states):
            self._write_state(place, state)
        self.best = self.parameters.clone()
        self.best_statistics = InputStatistics(
            self.statistics.mean.clone(), self.statistics.variance.clone()
        )
        self.row_counts = [len(member.train) for member in self.members]
        self.orders = [member.train.index for member in self.members]
        rows = [member.train for member in self.members]
        self.reader = EpochReader(rows, self.batches, self.parameters, self.slices)
        self.validation = Evaluation.of(
            [member.validation for member in self.members],
            self.architecture.dtype,
            self.device,
        )
        self.scorer = Scorer(layout, self.parameters, self.statistics)
        self._build_networks()
        self._set_penalty()

    def slices(self, n_rows: int) -> list[tuple[int, int]]:
        """Return the slices of a batch of so many rows; a GPU takes them whole."""
        if self.device.type == "cuda":
            return whole(n_rows)
        return row_slices(self.architecture, n_rows)

    def _write_state(self, place: int, state: MemberState) -> None:
        """Copy a member's state to its place in the buffers."""
        vector = self.layout.member_vector_of(state.coefs, state.intercepts)
        self.layout.write_member(self.parameters, place, vector)
        for name, moment in state.moments.items():
            self.layout.write_member(self.optimizer.moments[name], place, moment)
        if state.input_mean is not None and state.input_variance is not None:
            self.statistics.mean[place, 0] = state.input_mean
            self.statistics.variance[place, 0] = state.input_variance

    def _build_networks(self) -> None:
        """Make the networks for the slices of each size of batch."""
        rates = [member.hyperparameters.dropout for member in self.members]
        self.dropouts: list[DropoutRandomness] = []
        self.slice_gradients = [self.gradients]
        self.networks: dict[int, list[Network]] = {}
        self.norms: dict[int, BatchNormInput] = {}
        self.programs: dict[Batch | Piece, list[Kernel]] = {}
        self.launch = repeated(self._run_kernels, self.device)
        for n_rows in {stop - start for start, stop in self.batches}:
            if self.architecture.input_norm is not None:
                self.norms[n_rows] = BatchNormInput(self.statistics, n_rows)
            self.networks[n_rows] = []
            for number, (start, stop) in enumerate(self.slices(n_rows)):
                if number == len(self.slice_gradients):
                    self.slice_gradients.append(torch.zeros_like(self.gradients))
                if any(rates) and number == len(self.dropouts):
                    self.dropouts.append(DropoutRandomness(rates))
                network = Network(
                    self.layout,
                    self.parameters,
                    self.slice_gradients[number],
                    stop - start,
                    dropout=self.dropouts[number] if any(rates) else None,
                )
                self.networks[n_rows].append(network)

    def _set_penalty(self) -> None:
        """Prepare the L2 penalty of a step, of an epoch's last one, and of the losses.

        Each is for so many rows of mean weight; in the last batch members may differ.
        """
        alphas = [member.hyperparameters.alpha for member in self.members]
        self.penalties: dict[bool, Penalty] = {}  # by whether the batch is the last
        self.penalty_kernels: list[Kernel] = []
        if not any(alphas):
            return
        start, stop = self.batches[0]
        n_before, _ = self.batches[-1]
        row_sets = [member.train for member in self.members]
        strengths = [
            alpha / float(rows.weights[rows.index].double().mean())
            for alpha, rows in zip(alphas, row_sets, strict=True)
        ]

        mask = self.layout.weight_mask(self.device)

        def over(n_rows: Sequence[float]) -> Penalty:
            flat = torch.empty_like(mask)
            self.layout.spread(
                [s / n for s, n in zip(strengths, n_rows, strict=True)], flat
            )
            return Penalty(flat.mul_(mask), self.layout.slots)

        self.penalties[False] = over([stop - start] * len(row_sets))
        self.penalties[True] = over([n - n_before for n in self.row_counts])
        mean = over([n / len(self.batches) for n in self.row_counts])
        self.penalty_kernels = mean.value_kernels(self.parameters, self.losses)

    def run(
        self, report: EpochReport | None, stop: Stop = never
    ) -> dict[int, MemberResult]:
        """Train until every member has stopped; return results by member number."""
        while self.members:
            if self._train_epoch(stop):
                self._end_epoch(self.losses.tolist(), report)
                self._take_out([one.stopped for one in self.histories])
            else:
                self._take_out([True] * len(self.members))
        # Both refer to the block, which would keep its tables until a collection.
        del self.launch, self.reader
        return self.results

    def _train_epoch(self, stop: Stop) -> bool:
        """Take the steps of an epoch; return whether it came to its end."""
        self._begin_epoch()
        self._begin_losses()
        for piece in self.reader.read(self.orders):
            if stop():
                return False
            for batch in piece.batches:
                self._step(batch)
            self._add_losses(piece)
        return True

    def _begin_epoch(self) -> None:
        """Set the epoch's learning rates, row orders and random streams."""
        epochs = [before + self.epoch for before in self.epochs_before]
        self._set_step_sizes(epochs)
        if len(self.batches) > 1:
            self._shuffle(epochs)
        for part, dropout in enumerate(self.dropouts):
            seeds = [
                stream_seed(member.hyperparameters.seed, epoch, DROPOUT + part)
                for member, epoch in zip(self.members, epochs, strict=True)
            ]
            dropout.reseed(seeds)

    def _set_step_sizes(self, epochs: list[int]) -> None:
        """Hand the optimizer this epoch's learning rates, where they have changed."""
        rates = [
            history.rate.at(self.epoch, epoch * n_rows)
            for history, epoch, n_rows in zip(
                self.histories, epochs, self.row_counts, strict=True
            )
        ]
        if rates != self.rates:
            self.rates = rates
            sizes = [self._step_size(*pair) for pair in enumerate(rates)]
            self.optimizer.set_step_sizes(sizes)

    def _step_size(self, place: int, rate: float) -> StepSize:
        """Return what a member's update needs in this epoch."""
        given = self.members[place].hyperparameters
        return StepSize(
            learning_rate=rate,
            beta_1=given.beta_1,
            beta_2=given.beta_2,
            epsilon=given.epsilon,
            weight_decay=given.weight_decay,
            momentum=given.momentum,
            nesterov=given.nesterovs_momentum,
        )

    def _shuffle(self, epochs: list[int]) -> None:
        """Draw this epoch's row orders; equal seeds and rows share one."""
        drawn: dict[tuple[int, int, int], Tensor] = {}
        for place, member in enumerate(self.members):
            given, index = member.hyperparameters, member.train.index
            if not given.shuffle:
                continue
            key = (id(index), given.seed, epochs[place])
            if key not in drawn:
                drawn[key] = shuffled(index, given.seed, epochs[place], self.generator)
            self.orders[place] = drawn[key]

    def _begin_losses(self) -> None:
        """Begin with every member's penalty per unit of weight, before the epoch."""
        self.losses.zero_()
        run_all(self.penalty_kernels)

    def _add_losses(self, piece: Piece) -> None:
        """Add every member's loss on a piece, from the logits of its steps."""
        if piece not in self.programs:
            labels = (piece.signs, piece.epoch_shares)
            self.programs[piece] = loss_kernels(piece.logits, *labels, self.losses)
        run_all(self.programs[piece])

    def _step(self, batch: Batch) -> None:
        """Take one optimizer step on one batch."""
        if self.dropouts:
            for network in self.networks[batch.n_rows]:
                network.draw()
        self.optimizer.count()
        self.launch(batch)

    def _run_kernels(self, batch: Batch) -> None:
        """Do what a step consists of, on static buffers only."""
        program = self.programs.get(batch)
        if program is None:
            program = self.programs[batch] = self._program(batch)
        run_all(program)

    def _program(self, batch: Batch) -> list[Kernel]:
        """Return the kernels of a step on a batch."""
        networks = self.networks[batch.n_rows]
        if batch.parts:
            parts = zip(networks, batch.parts, strict=True)
            slices = [partial(run_all, self._pass(*pair)) for pair in parts]
            others = self.slice_gradients[1 : len(slices)]
            program: list[Kernel] = [partial(self.team.run, slices)]
            program += [partial(self.gradients.add_, other) for other in others]
        else:
            program = self._pass(networks[0], batch)
        if self.penalties:
            penalty = self.penalties[batch.last]
            program.append(penalty.gradient_kernel(self.parameters, self.gradients))
        return [*program, self.optimizer.update]

    def _pass(self, network: Network, batch: Batch) -> list[Kernel]:
        """Return the kernels that fill a network's gradients from a batch."""
        kernels: list[Kernel] = []
        inputs, shares = batch.inputs, batch.shares
        if batch.n_rows in self.norms:
            norm = self.norms[batch.n_rows]
            inputs = norm.forward(inputs, shares, batch.correction, kernels)
        kernels += network.forward_kernels(inputs, batch.logits)
        logits = batch.logits.values
        kernels += residual_kernels(logits, batch.offsets, shares, network.residuals)
        return kernels + network.backward_kernels()

    def _end_epoch(self, losses: list[float], report: EpochReport | None) -> None:
        """Record the losses, keep the best weights, report."""
        self.epoch += 1
        n_steps = self.optimizer.n_steps
        n_before = n_steps - len(self.batches)
        if n_before // STEPS_BETWEEN_FLUSHES < n_steps // STEPS_BETWEEN_FLUSHES:
            self.optimizer.flush()
        held_out: list[float] | None = None
        if self.validation is not None:
            held_out = self._validation_losses(self.validation)
        for place, loss in enumerate(losses):
            history = self.histories[place]
            if history.stopped:
                continue
            validation_loss = None if held_out is None else held_out[place]
            improved = history.add(loss, validation_loss)
            if improved and held_out is not None:
                self._keep_best(place)
            n_epochs = len(history.losses)
            if n_epochs in self.members[place].stops and not history.stopped:
                self.earlier[self.numbers[place]][n_epochs] = self._result(place)
            if report is not None:
                report(self.numbers[place], n_epochs, loss, validation_loss)

    def _validation_losses(self, validation: Evaluation) -> list[float]:
        """Return every member's loss on its validation set."""
        logits = self.scorer.logits(validation.features)
        return member_losses(logits, validation.signs, validation.shares).tolist()

    def _keep_best(self, place: int) -> None:
        """Copy a member's weights to the best ones."""
        slots = self.layout.slots(self.parameters)
        for kept, slot in zip(self.layout.slots(self.best), slots, strict=True):
            kept[place].copy_(slot[place])
        self.best_statistics.mean[place] = self.statistics.mean[place]
        self.best_statistics.variance[place] = self.statistics.variance[place]

    def _take_out(self, are_out: Sequence[bool]) -> None:
        """Hand out results of stopped members and close the gaps they leave."""
        stopped = [place for place, is_out in enumerate(are_out) if is_out]
        if not stopped:
            return
        for place in stopped:
            number = self.numbers[place]
            if number not in self.results:
                self.results[number] = self._result(place)
                self.results[number].earlier = self.earlier.pop(number, {})
        staying = [place for place in range(len(self.members)) if place not in stopped]
        if not staying:
            self.members = []
        elif len(stopped) >= COMPACT_FRACTION * len(self.members):
            self._compact(staying)

    def _compact(self, staying: list[int]) -> None:
        """Go on with some of the members only."""
        states = [self._state(place, best=False) for place in staying]
        best = [self.layout.member_vector(self.best, place) for place in staying]
        best_statistics = self.best_statistics
        self.members = [self.members[place] for place in staying]
        self.numbers = [self.numbers[place] for place in staying]
        self.histories = [self.histories[place] for place in staying]
        self.epochs_before = [self.epochs_before[place] for place in staying]
        self._allocate(states)
        for place, vector in enumerate(best):
            self.layout.write_member(self.best, place, vector.to(self.device))
        self.best_statistics = InputStatistics(
            best_statistics.mean[staying], best_statistics.variance[staying]
        )

    def _state(self, place: int, *, best: bool) -> MemberState:
        """Return a copy of a member's state, on the CPU."""
        flat = self.best if best else self.parameters
        statistics = self.best_statistics if best else self.statistics
        vector = self.layout.member_vector(flat, place).cpu()
        coefs, intercepts = self.layout.unpacked(vector)
        normed = self.architecture.input_norm is not None
        return MemberState(
            coefs,
            intercepts,
            statistics.mean[place, 0].cpu().clone() if normed else None,
            statistics.variance[place, 0].cpu().clone() if normed else None,
            {
                name: self.layout.member_vector(moment, place).cpu()
                for name, moment in self.optimizer.moments.items()
            },
            self.optimizer.n_steps,
            self.epochs_before[place] + self.epoch,
        )

    def _result(self, place: int) -> MemberResult:
        """Return what became of a member."""
        history = self.histories[place]
        state = self._state(place, best=self.validation is not None)
        finite = all(
            bool(torch.isfinite(tensor).all())
            for tensor in [*state.coefs, *state.intercepts]
        )
        diverged = history.diverged_epoch
        if diverged is None and not finite:
            diverged = len(history.losses)
        return MemberResult(
            state,
            list(history.losses),
            list(history.validation_losses),
            history.converged,
            diverged,
        )
