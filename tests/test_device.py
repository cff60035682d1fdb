from dataclasses import replace

import pytest
import torch

from torch_binary_classifier.training.device import (
    CPU,
    PIECE_ELEMENTS,
    Accelerator,
    Cpu,
    Cuda,
    device_named,
)
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.optimizer import OPTIMIZERS, RECORDABLE
from torch_binary_classifier.training.recording import RecordedSteps

LARGE = Architecture(5, (256, 128), "relu", None, torch.float32)
GPU = device_named("cuda:1")


@pytest.mark.parametrize(
    ("name", "kind", "optimizers"),
    [
        ("cpu", Cpu, OPTIMIZERS),
        ("cuda", Cuda, RECORDABLE),
        ("xpu", Accelerator, RECORDABLE),
    ],
)
def test_device_is_of_the_kind_that_its_name_says(name, kind, optimizers):
    found = device_named(name)
    assert type(found) is kind
    assert found.where == torch.device(name)
    assert found.optimizers is optimizers


def test_device_keeps_its_number():
    assert GPU.where == torch.device("cuda", 1)


def step(batch):
    raise AssertionError(batch)


def test_steps_are_recorded_on_a_gpu_only():
    assert CPU.repeated(step) is step
    assert Accelerator(torch.device("cpu")).repeated(step) is step
    recorded = GPU.repeated(step)
    assert isinstance(recorded, RecordedSteps)
    assert recorded.step is step


@pytest.mark.parametrize("device", [CPU, Accelerator(torch.device("cpu"))])
def test_product_is_written_member_by_member(device):
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(3, 4, 5, generator=generator)
    right = torch.randn(3, 6, 5, generator=generator).transpose(1, 2)
    out = torch.zeros(3, 4, 7)[..., :-1]
    kernel = device.product(left, right, out)
    assert not out.any()
    for _ in range(2):
        left *= 2  # what the buffers hold when the kernel runs
        kernel()
        torch.testing.assert_close(out, left @ right)


def test_large_batches_are_cut_on_the_cpu_but_never_normalised_ones():
    assert CPU.slices(LARGE, 16) == [(0, 16)]
    assert CPU.slices(LARGE, 256) == [(0, 128), (128, 256)]
    assert len(CPU.slices(LARGE, 1 << 20)) == 8
    assert CPU.slices(replace(LARGE, input_norm="batch"), 4096) == [(0, 4096)]
    assert GPU.slices(LARGE, 4096) == [(0, 4096)]


def test_pieces_hold_the_same_number_of_elements_whatever_the_batches():
    size = PIECE_ELEMENTS // 8
    batches = [(start, start + size) for start in range(0, 10 * size, size)]
    pieces = CPU.pieces(1, batches)  # and the column of ones
    assert [len(piece) for piece in pieces] == [4, 4, 2]
    assert [batch for piece in pieces for batch in piece] == batches
    assert CPU.pieces(10 * PIECE_ELEMENTS, batches) == [[one] for one in batches]
    assert GPU.pieces(1, batches) == [[one] for one in batches]
