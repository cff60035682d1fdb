import threading

import pytest
import torch

from pipeline.training.threads import one_thread_per_kernel


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_one_thread_per_kernel_restores_the_count():
    with one_thread_per_kernel() as n_threads:
        assert n_threads == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_one_thread_per_kernel_restores_the_count_after_an_exception():
    def fail():
        with one_thread_per_kernel():
            raise KeyError(0)

    with pytest.raises(KeyError, match="0"):
        fail()
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_one_thread_per_kernel_can_be_nested():
    with one_thread_per_kernel():
        with one_thread_per_kernel() as n_threads:
            assert n_threads == 3
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("first_out", [0, 1])
def test_one_thread_per_kernel_survives_overlapping_threads(first_out):
    entered = [threading.Event(), threading.Event()]
    leave = [threading.Event(), threading.Event()]
    seen = [0, 0]

    def work(number):
        with one_thread_per_kernel() as n_threads:
            seen[number] = n_threads
            entered[number].set()
            leave[number].wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for number in (0, 1):
        threads[number].start()
        assert entered[number].wait(10)
    for number in (first_out, 1 - first_out):
        leave[number].set()
        threads[number].join(10)
    assert seen == [3, 3]
    assert torch.get_num_threads() == 3
    with one_thread_per_kernel() as n_threads:
        assert n_threads == 3
