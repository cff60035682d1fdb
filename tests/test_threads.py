import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from torch_binary_classifier.training.threads import (
    Team,
    bare_kernels,
    one_thread_per_kernel,
)


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


def blas_threads():
    """Return the threads of NumPy's own BLAS, or of all where it brings none."""
    pools = [one for one in threadpool_info() if one["user_api"] == "blas"]
    own = [one for one in pools if "numpy" in one["filepath"]]
    return {one["num_threads"] for one in own or pools}


def test_bare_kernels_last_as_long_as_the_block():
    large = np.full(3, 1e308)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with bare_kernels():
            assert np.isinf(large * 10).all()
            assert not torch.ones(1, requires_grad=True).mul(2).requires_grad
            assert blas_threads() == {1}
        assert blas_threads() == before != {1}
        with pytest.raises(KeyError, match="0"), bare_kernels():
            raise KeyError(0)
        assert blas_threads() == before
    with pytest.warns(RuntimeWarning, match="overflow"):
        large * 10
    assert torch.ones(1, requires_grad=True).mul(2).requires_grad


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n_tasks", [0, 1, 2, 7])
def test_team_calls_every_task_once(n_threads, n_tasks):
    called = []
    with Team(n_threads) as team:
        for _ in range(3):
            team.run(
                [
                    lambda number=number: called.append(number)
                    for number in range(n_tasks)
                ]
            )
    assert sorted(called) == sorted(list(range(n_tasks)) * 3)


def test_team_works_side_by_side():
    barrier = threading.Barrier(3, timeout=10)
    with Team(3) as team:
        team.run([barrier.wait] * 3)
    assert not barrier.broken


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_team_raises_what_a_task_raised_when_all_have_ended(failing):
    ended = []

    def work(number):
        if number == failing:
            raise KeyError(number)
        ended.append(number)

    before = threading.active_count()
    with Team(3) as team:
        with pytest.raises(KeyError, match=str(failing)):
            team.run([lambda number=number: work(number) for number in range(3)])
        assert sorted(ended) == sorted({0, 1, 2} - {failing})
        team.run([lambda: work(5)])
        assert ended[-1] == 5
        assert threading.active_count() > before
    assert threading.active_count() == before
