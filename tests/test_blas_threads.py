import threading

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from torch_binary_classifier import blas_threads
from torch_binary_classifier.blas_threads import OneBlasThread


def counts():
    """Return the threads of every BLAS library of the process."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library.get_num_threads() for library in found]


@pytest.fixture(autouse=True)
def three_threads():
    with threadpool_limits(3, user_api="blas"):
        yield


def test_one_blas_thread_restores_the_count():
    before = counts()
    with OneBlasThread() as n_threads:
        assert n_threads == 3
        assert 1 in counts()
    assert counts() == before


def test_one_blas_thread_restores_the_count_after_an_exception():
    def fail():
        with OneBlasThread():
            raise KeyError(0)

    before = counts()
    with pytest.raises(KeyError, match="0"):
        fail()
    assert counts() == before


def test_within_itself_it_gives_one_thread_to_the_same_thread_alone():
    def other():
        with OneBlasThread() as n_threads:
            seen.append(n_threads)

    seen = []
    with OneBlasThread():
        with OneBlasThread() as n_threads:
            assert n_threads == 1
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    with OneBlasThread() as n_threads:
        assert n_threads == 3
    assert seen == [3]


@pytest.mark.parametrize("first_out", [0, 1])
def test_one_blas_thread_survives_overlapping_threads(first_out):
    before = counts()
    entered = [threading.Event(), threading.Event()]
    leave = [threading.Event(), threading.Event()]
    seen = [0, 0]

    def work(number):
        with OneBlasThread() as n_threads:
            seen[number] = n_threads
            entered[number].set()
            leave[number].wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for number in (0, 1):
        threads[number].start()
        assert entered[number].wait(10)
    for number in (first_out, 1 - first_out):
        assert 1 in counts()
        leave[number].set()
        threads[number].join(10)
    assert seen == [3, 3]
    assert counts() == before


@pytest.mark.parametrize(("shared", "own"), [(2, 5), (5, 2)])
def test_the_library_with_the_fewest_threads_is_told(monkeypatch, shared, own):
    found = {"shared": shared, "own": own}

    def library(name):
        return blas_threads._Library(
            lambda: found[name], lambda count: found.update({name: count})
        )

    libraries = blas_threads._Libraries((library("shared"),), (library("own"),))
    monkeypatch.setattr(blas_threads, "_libraries", lambda: libraries)
    with OneBlasThread() as n_threads:
        assert n_threads == 2
        assert found == {"shared": 1, "own": 1}
    assert found == {"shared": shared, "own": own}


def test_without_any_library_a_product_has_one_thread(monkeypatch):
    none = blas_threads._Libraries((), ())
    monkeypatch.setattr(blas_threads, "_libraries", lambda: none)
    with OneBlasThread() as n_threads:
        assert n_threads == 1
