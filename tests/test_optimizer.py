from functools import partial

import pytest
import torch

from torch_binary_classifier.training import optimizer as module
from torch_binary_classifier.training import updates
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.optimizer import (
    NEGLIGIBLE_MOMENT,
    NEGLIGIBLE_SQUARE,
    OPTIMIZERS,
)
from torch_binary_classifier.training.threads import one_thread_per_kernel
from torch_binary_classifier.training.updates import StepSize, adam_update, sgd_update

CPU = torch.device("cpu")
SIZES = {
    "adam": [
        StepSize(1e-3),
        StepSize(1e-3),
        StepSize(0.02, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
        StepSize(0.1),
    ],
    "adamw": [
        StepSize(1e-3, weight_decay=0.1),
        StepSize(1e-3, weight_decay=0.5),
        StepSize(0.02, beta_1=0.8),
        StepSize(0.1, weight_decay=0.01),
    ],
    "sgd": [
        StepSize(1e-3, momentum=0.9),
        StepSize(1e-3, momentum=0.9),
        StepSize(0.02, momentum=0.5),
        StepSize(0.1, momentum=0.0),
    ],
}
SIZES["sgd without nesterov"] = [
    StepSize(size.learning_rate, momentum=size.momentum, nesterovs_momentum=False)
    for size in SIZES["sgd"]
]


@pytest.fixture(autouse=True)
def one_thread():
    """Barriers of a thread pool would cost more than these small tensors."""
    with one_thread_per_kernel():
        yield


def make(name, sizes, dtype=torch.float64):
    """Return an optimizer and its layout, parameters drawn at random."""
    layout = ParameterLayout(Architecture(3, (5, 2), "relu", None, dtype), len(sizes))
    generator = torch.Generator().manual_seed(0)
    parameters = layout.new_buffer(CPU).normal_(generator=generator)
    ours = OPTIMIZERS[name.split()[0]](layout, parameters, layout.new_buffer(CPU))
    ours.set_step_sizes(sizes)
    return ours


def parts_of(layout, flat):
    """Return weights and biases in turns, layer by layer."""
    pairs = [(matrix[:, :-1], matrix[:, -1]) for matrix in layout.matrices(flat)]
    return [part for pair in pairs for part in pair]


def make_torch(name, size, tensors):
    """Return torch's optimizer of one member; weights come before biases."""
    groups = [
        {"params": tensors[::2], "weight_decay": size.weight_decay},
        {"params": tensors[1::2], "weight_decay": 0.0},
    ]
    if name.startswith("sgd"):
        return torch.optim.SGD(
            groups,
            lr=size.learning_rate,
            momentum=size.momentum,
            nesterov=size.nesterovs_momentum and size.momentum > 0,
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(
        groups,
        lr=size.learning_rate,
        betas=(size.beta_1, size.beta_2),
        eps=size.epsilon,
        foreach=False,
    )


class Beside:
    """Our optimizer and one of torch's per member on the same parameters."""

    def __init__(self, name, sizes, their_sizes=None):
        self.ours = make(name, sizes)
        views = parts_of(self.ours.layout, self.ours.parameters)
        self.tensors = [
            [view[member].clone().requires_grad_() for view in views]
            for member in range(len(sizes))
        ]
        self.theirs = [
            make_torch(name, size, tensors)
            for size, tensors in zip(their_sizes or sizes, self.tensors, strict=True)
        ]

    def step(self, seed):
        generator = torch.Generator().manual_seed(seed)
        self.ours.gradients.normal_(generator=generator)
        slopes = parts_of(self.ours.layout, self.ours.gradients)
        for member, tensors in enumerate(self.tensors):
            for tensor, slope in zip(tensors, slopes, strict=True):
                tensor.grad = slope[member].clone()
        self.ours.step()
        for theirs in self.theirs:
            theirs.step()

    def distance(self):
        views = parts_of(self.ours.layout, self.ours.parameters)
        return [
            max(
                float((view[member] - tensor.detach()).abs().max())
                for view, tensor in zip(views, tensors, strict=True)
            )
            for member, tensors in enumerate(self.tensors)
        ]


@pytest.mark.parametrize("name", SIZES)
def test_optimizer_equals_torch_over_100_steps(name):
    pair = Beside(name, SIZES[name])
    for seed in range(100):
        pair.step(seed)
    assert max(pair.distance()) < 1e-12
    assert pair.ours.n_steps == 100


@pytest.mark.parametrize("name", SIZES)
def test_optimizer_check_notices_another_learning_rate(name):
    sizes = SIZES[name]
    other = [*sizes[:-1], StepSize(0.1001, momentum=0.0)]
    pair = Beside(name, sizes, other)
    for seed in range(30):
        pair.step(seed)
    distance = pair.distance()
    assert max(distance[:-1]) < 1e-12
    assert distance[-1] > 1e-6


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizer_follows_a_changed_learning_rate(name):
    pair = Beside(name, SIZES[name])
    for seed in range(20):
        if seed == 10:
            changed = [
                StepSize(**{**vars(size), "learning_rate": size.learning_rate / 3})
                for size in SIZES[name]
            ]
            pair.ours.set_step_sizes(changed)
            for theirs in pair.theirs:
                for group in theirs.param_groups:
                    group["lr"] /= 3
        pair.step(seed)
    assert max(pair.distance()) < 1e-12


def test_adamw_decays_weights_and_no_bias():
    ours = make("adamw", [StepSize(0.1, weight_decay=0.5)])
    before = ours.parameters.clone()
    ours.step()
    coefs, intercepts = ours.layout.unpacked(ours.parameters)
    old_coefs, old_intercepts = ours.layout.unpacked(before)
    for new, old in zip(coefs, old_coefs, strict=True):
        torch.testing.assert_close(new, old * 0.95)
    assert all(map(torch.equal, intercepts, old_intercepts))


def test_step_sizes_group_equal_neighbours_into_runs():
    ours = make("adam", [StepSize(1.0), StepSize(1.0), StepSize(2.0), StepSize(1.0)])
    assert [run.size.learning_rate for run in ours.runs] == [1.0, 2.0, 1.0]
    moved = [run.update.args[0] for run in ours.runs]
    counts = [sum(map(torch.numel, parameters)) for parameters in moved]
    assert counts == [n * ours.layout.member_size for n in (2, 1, 1)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SIZES)
def test_optimizer_fallback_equals_the_fused_update(name, dtype, monkeypatch):
    fused = make(name, SIZES[name], dtype)
    monkeypatch.setattr(module, "adam_update", partial(adam_update, fused=None))
    monkeypatch.setattr(module, "sgd_update", partial(sgd_update, fused=None))
    plain = make(name, SIZES[name], dtype)
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        fused.gradients.normal_(generator=generator)
        plain.gradients.copy_(fused.gradients)
        fused.step()
        plain.step()
    bound = 1e-12 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(
        fused.parameters, plain.parameters, rtol=bound, atol=bound
    )
    assert updates.FUSED_ADAM is not None
    assert updates.FUSED_SGD is not None


def test_optimizer_fallback_check_notices_a_missing_step():
    fused, plain = (make("sgd", SIZES["sgd"]) for _ in range(2))
    fused.gradients.fill_(1.0)
    fused.step()
    difference = (fused.parameters - plain.parameters).abs()
    assert float(difference.min()) > 1e-4


def test_optimizer_does_not_depend_on_the_members_beside():
    sizes = SIZES["adamw"]
    company = make("adamw", sizes, torch.float32)
    alone = make("adamw", sizes[2:3], torch.float32)
    start = company.layout.member_vector(company.parameters, 2)
    alone.layout.write_member(alone.parameters, 0, start)
    for seed in range(30):
        company.gradients.normal_(generator=torch.Generator().manual_seed(seed))
        slope = company.layout.member_vector(company.gradients, 2)
        alone.layout.write_member(alone.gradients, 0, slope)
        company.step()
        alone.step()
    assert torch.equal(
        company.layout.member_vector(company.parameters, 2), alone.parameters
    )
    assert not torch.equal(
        company.layout.member_vector(company.parameters, 3), alone.parameters
    )


def test_adam_flush_removes_negligible_moments_only():
    ours = make("adam", [StepSize(1e-3)], torch.float32)
    first, second = ours.moments["first_moment"], ours.moments["second_moment"]
    first[:3] = torch.tensor([1e-40, -1e-40, 1e-20])
    second[:3] = torch.tensor([1e-40, NEGLIGIBLE_SQUARE * 2, 1.0])
    ours.flush()
    assert (first[:2] == 0).all()
    assert float(first[2]) == pytest.approx(1e-20)
    assert float(second[0]) == 0
    assert (second[1:3] > 0).all()
    assert NEGLIGIBLE_MOMENT**2 < NEGLIGIBLE_SQUARE


def test_sgd_flush_changes_nothing():
    ours = make("sgd", [StepSize(1e-3)])
    ours.moments["velocity"].fill_(1e-300)
    ours.flush()
    assert (ours.moments["velocity"] == 1e-300).all()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizer_goes_on_from_the_members_moments(name):
    first, whole = make(name, SIZES[name]), make(name, SIZES[name])
    second = make(name, SIZES[name])
    for seed in range(20):
        whole.gradients.normal_(generator=torch.Generator().manual_seed(seed))
        ours = first if seed < 10 else second
        if seed == 10:
            second.parameters.copy_(first.parameters)
            moments = [first.member_moments(place) for place in range(4)]
            second.go_on(first.n_steps, moments)
        ours.gradients.copy_(whole.gradients)
        ours.step()
        whole.step()
    assert torch.equal(second.parameters, whole.parameters)
    assert second.n_steps == whole.n_steps == 20
    for name, moment in whole.moments.items():
        assert torch.equal(second.moments[name], moment)
    assert not torch.equal(second.parameters, first.parameters)
