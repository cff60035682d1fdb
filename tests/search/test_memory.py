"""How much memory there is, what fits hold of it, and who may begin."""

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.model_selection import cross_validate

from builders import MLP, make_table, make_training
from searches import assert_same, search
from torch_binary_classifier import batched_fits
from torch_binary_classifier.search import memory
from torch_binary_classifier.search.backend import make_backend
from torch_binary_classifier.search.memory import (
    HELD_COPIES,
    Memory,
    free_bytes,
    held_bytes,
)
from torch_binary_classifier.search.tasks import Call, Task
from torch_binary_classifier.training.rows import SparseRows

GB = 1 << 30


class TestHeldBytes:
    def test_dense_tables_count_as_the_callers_float64(self):
        given = make_training(make_table(10, 3, dtype=torch.float32))
        assert held_bytes(given) == HELD_COPIES * 10 * 3 * 8

    def test_sparse_tables_count_what_they_store(self):
        matrix = scipy.sparse.random(50, 40, 0.1, "csr", random_state=0)
        given = make_training(replace(make_table(50), features=SparseRows(matrix)))
        stored = matrix.data.nbytes + matrix.indices.nbytes
        assert stored > 0
        assert held_bytes(given) == HELD_COPIES * stored

    def test_tables_count_once(self):
        table = make_table(10, 3)
        part = replace(table, index=torch.arange(4))
        assert held_bytes(make_training(table, part)) == held_bytes(
            make_training(table)
        )
        other = make_table(5, 3)
        both = held_bytes(make_training(table, other))
        assert both == held_bytes(make_training(table)) + held_bytes(
            make_training(other)
        )


class TestFreeBytes:
    @pytest.fixture
    def files(self, monkeypatch):
        """Return the contents of the system's files, which may be absent."""
        texts = {
            "/proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {8 * GB // 1024} kB\n",
            "/sys/fs/cgroup/memory.max": f"{3 * GB}\n",
            "/sys/fs/cgroup/memory.current": f"{1 * GB}\n",
        }

        def read_text(path, **_):
            if str(path) not in texts:
                raise FileNotFoundError(path)
            return texts[str(path)]

        monkeypatch.setattr(memory.Path, "read_text", read_text)
        return texts

    def test_a_containers_limit_counts(self, files):
        assert free_bytes() == 2 * GB
        files["/sys/fs/cgroup/memory.current"] = f"{4 * GB}\n"
        assert free_bytes() == 0

    @pytest.mark.parametrize("limit", ["max\n", None])
    def test_without_a_limit_the_system_has_what_is_available(self, files, limit):
        files["/sys/fs/cgroup/memory.max"] = limit
        if limit is None:
            del files["/sys/fs/cgroup/memory.max"]
        assert free_bytes() == 8 * GB

    def test_where_the_system_does_not_say_some_is_assumed(self, files):
        files.clear()
        assert free_bytes() == memory.UNKNOWN_FREE_BYTES

    def test_a_quarter_of_it_is_the_limit(self, files):
        assert memory.checked_limit(None) == GB / 2
        assert memory.checked_limit(np.int64(7)) == 7
        assert files


class TestMemory:
    """What fits of 10 rows hold; the limit is that of three such fits."""

    ONE = HELD_COPIES * 10 * 3 * 8

    @pytest.fixture
    def held(self):
        return Memory(3 * self.ONE)

    def task(self):
        return Task(Call(), list, lambda _: None)

    def fit(self, n_rows=10):
        return make_training(make_table(n_rows, 3))

    def test_has_room_before_the_first_fit(self, held):
        assert held.has_room([self.task() for _ in range(9)])

    def test_keeps_room_for_those_that_compute(self, held):
        held.hold(self.task(), self.fit())
        assert held.has_room([self.task()])
        assert not held.has_room([self.task(), self.task()])

    def test_counts_who_holds_a_fit_and_computes_once(self, held):
        task = self.task()
        held.hold(task, self.fit())
        assert held.has_room([task, self.task()])

    def test_expects_fits_as_large_as_the_largest(self, held):
        task = self.task()
        held.hold(task, self.fit(20))
        held.hold(task, self.fit(10))  # in place of the first
        assert held.has_room([])
        assert not held.has_room([self.task()])

    def test_is_free_again_when_a_task_ends(self, held):
        tasks = [self.task() for _ in range(3)]
        for task in tasks:
            held.hold(task, self.fit())
        assert not held.has_room([])
        held.release(tasks[0])
        assert held.has_room([])

    def test_tables_that_are_kept_to_know_equal_ones_count(self, held):
        held.hold(self.task(), self.fit())
        held.tables.intern(make_training(make_table(100, 3)))
        assert not held.has_room([])
        held.forget_tables()
        assert held.has_room([])


class TestMemoryLimit:
    def test_makes_several_companies(self, table, companies):
        expected = search().fit(*table)
        one_fit = memory.HELD_COPIES * 97 * 4 * 8
        with batched_fits(memory_limit=int(12 * one_fit)):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert sum(companies) == 40
        assert 5 <= max(companies) <= 12

    def test_too_small_for_one_fit_trains_one_by_one(self, table, companies):
        expected = cross_validate(search(cv=3), *table, cv=2)
        with batched_fits(memory_limit=1):
            found = cross_validate(search(cv=3), *table, cv=2)
        assert_same(found, expected)
        assert sum(companies) == 2 * 24 + 2

    def test_is_a_quarter_of_what_is_free(self, monkeypatch):
        monkeypatch.setattr(memory, "free_bytes", lambda: 4e9)
        assert make_backend().gathering.memory.limit == 1e9

    def test_threads_that_cannot_start_wait_for_others(
        self, table, companies, monkeypatch
    ):
        start = threading.Thread.start

        def limited(thread):
            if threading.active_count() > 8 and thread.name == "batched-fit":
                msg = "can't start new thread"
                raise RuntimeError(msg)
            start(thread)

        expected = search().fit(*table)
        monkeypatch.setattr(threading.Thread, "start", limited)
        with batched_fits():
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert max(companies) < 9


LARGE = """
import sys, warnings
from pathlib import Path
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch_binary_classifier import TorchBinaryClassifier, batched_fits

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(100_000, 50))
y = (X[:, 0] + rng.normal(size=len(X)) > 0).astype(int)
given = {"hidden_layer_sizes": (4,), "max_iter": 1, "batch_size": 2000}
net = TorchBinaryClassifier(**MLP | given, random_state=0)
model = make_pipeline(StandardScaler(), net)
model.fit(X[:5000], y[:5000])
grid = {"torchbinaryclassifier__alpha": np.geomspace(1e-4, 1, 40)}
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
with batched_fits(memory_limit=10**9):
    GridSearchCV(model, grid, cv=5, refit=False).fit(X, y)
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_of_a_large_search_is_within_the_limit():
    done = subprocess.run(
        [sys.executable, "-c", f"MLP = {MLP}\n{LARGE}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0.5e9 < int(done.stdout) < 1.2e9
