"""Recorded steps, with a stand-in for the GPU that records calls."""

from dataclasses import dataclass, field

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training import device
from torch_binary_classifier.training.device import Cuda
from torch_binary_classifier.training.engine import fit_many
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.optimizer import OPTIMIZERS
from torch_binary_classifier.training.recording import (
    WARM_UP_STEPS,
    RecordedSteps,
    Recording,
)
from torch_binary_classifier.training.rows import DenseRows, RowSet


class Tape(TorchDispatchMode):
    """Keeps the kernels that are called, to call them again as a CUDA graph would.

    The same addresses and the same numbers, whatever Python's objects hold by then.
    """

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, kernel, types, args=(), kwargs=None):
        results = kernel(*args, **(kwargs or {}))
        self.calls.append((kernel, args, kwargs or {}, results))
        return results

    def replay(self):
        for kernel, args, kwargs, results in self.calls:
            again = kernel(*args, **kwargs)
            for old, new in zip(tree_leaves(results), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class FakeRecording(Recording):
    """A recording of kernels on the CPU."""

    def __init__(self, step, batch):
        self.step, self.batch = step, batch
        self.tape = None
        self.n_launches = 0

    def play(self):
        self.n_launches += 1
        if self.n_launches <= WARM_UP_STEPS:
            self.step(self.batch)
        elif self.tape is None:
            self.tape = Tape()
            with self.tape:
                self.step(self.batch)
        else:
            self.tape.replay()


@dataclass(frozen=True)
class FakeGpu(Cuda):
    """The CPU, treated as a GPU is."""

    made: list = field(default_factory=list)

    def repeated(self, step):
        self.made.append(RecordedSteps(step, FakeRecording))
        return self.made[-1]


class CarelessGpu(FakeGpu):
    """A GPU with optimizers whose numbers do not lie in memory."""

    optimizers = OPTIMIZERS


@pytest.fixture
def on_a_gpu(monkeypatch):
    """Return what makes the engine take the CPU for a GPU."""

    def take(kind):
        gpu = kind(torch.device("cpu"))
        monkeypatch.setitem(device.KINDS, "cpu", lambda _: gpu)
        return gpu

    return take


def make_members(dtype=torch.float64, **given):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(50, 4, generator=generator, dtype=dtype)
    y = (X[:, 0] > 0).to(dtype)
    table = RowSet(DenseRows(X), torch.arange(50), y, torch.ones(50).double())
    settings = {"max_iter": 6, "n_iter_no_change": 100, "learning_rate": "cosine"}
    return [
        Member(
            table,
            Hyperparameters(
                seed=seed,
                learning_rate_init=0.01 * (seed + 1),
                weight_decay=0.1 * seed,
                beta_1=[0.9, 0.8][seed % 2],
                momentum=[0.9, 0.0][seed % 2],
                **settings | given,
            ),
        )
        for seed in range(4)
    ]


def fit(solver, members, norm=None):
    architecture = Architecture(4, (6, 3), "tanh", norm, torch.float64)
    return fit_many(architecture, solver, members, batch_size=16)


@pytest.mark.parametrize("solver", sorted(OPTIMIZERS))
@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recorded_steps_train_the_same_networks(solver, norm, dropout, on_a_gpu):
    members = make_members(dropout=dropout)
    plain = fit(solver, members, norm)
    gpu = on_a_gpu(FakeGpu)
    recorded = fit(solver, members, norm)
    for one, other in zip(plain, recorded, strict=True):
        for a, b in zip(one.state.coefs, other.state.coefs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
        assert one.loss_curve == pytest.approx(other.loss_curve, rel=1e-9)
        assert one.state.n_steps == other.state.n_steps
    # One recording per size of batch: every step of an epoch is the same one.
    (steps,) = gpu.made
    assert sorted(one.n_launches for one in steps.recordings.values()) == [6, 18]


def test_recorded_steps_go_on_from_a_state(on_a_gpu):
    on_a_gpu(FakeGpu)
    whole = fit("adam", make_members(learning_rate="constant", max_iter=6))
    first = fit("adam", make_members(learning_rate="constant", max_iter=3))
    going_on = [
        Member(one.train, one.hyperparameters, None, result.state)
        for one, result in zip(
            make_members(learning_rate="constant", max_iter=3), first, strict=True
        )
    ]
    for one, other in zip(whole, fit("adam", going_on), strict=True):
        for a, b in zip(one.state.coefs, other.state.coefs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_the_stand_in_notices_numbers_that_are_not_in_memory(on_a_gpu):
    members = make_members()
    plain = fit("adam", members)
    on_a_gpu(CarelessGpu)
    wrong = fit("adam", members)
    assert not torch.allclose(plain[0].state.coefs[0], wrong[0].state.coefs[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("solver", sorted(OPTIMIZERS))
def test_a_gpu_trains_the_same_networks(solver):
    members = make_members(dropout=0.3)
    architecture = Architecture(4, (6, 3), "tanh", None, torch.float64)
    plain = fit(solver, members)
    found = fit_many(architecture, solver, members, batch_size=16, device="cuda")
    for one, other in zip(plain, found, strict=True):
        for a, b in zip(one.state.coefs, other.state.coefs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
