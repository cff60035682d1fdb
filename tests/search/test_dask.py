"""Tasks shared out to a cluster of dask."""

import os
import signal
import threading
import time

import pytest

from searches import ALPHAS, assert_same, pipe, search
from torch_binary_classifier import batched_fits


@pytest.mark.filterwarnings("ignore")
class TestDask:
    def test_cluster_gives_the_same_bits(self, cluster, table, companies):
        assert all(
            address.startswith("tcp://127.0.0.1") for address in cluster.ncores()
        )
        expected = search().fit(*table)
        with batched_fits(backend="dask"):
            found = search().fit(*table)
        assert_same(found.cv_results_, expected.cv_results_)
        assert companies == []

    def test_worker_killed_in_the_middle_changes_nothing(self, cluster, table):
        endless = pipe(max_iter=1000, tol=0, n_iter_no_change=1000)
        options = {"estimator": endless, "grid": {"clf__alpha": ALPHAS}}
        expected = search(**options).fit(*table)
        pids = cluster.run(os.getpid)
        killed = []

        def kill_one():
            for _ in range(3000):
                busy = [name for name, keys in cluster.processing().items() if keys]
                if len(busy) == 2:
                    time.sleep(0.3)
                    os.kill(pids[busy[0]], signal.SIGKILL)
                    killed.append(busy[0])
                    return
                time.sleep(0.01)

        killer = threading.Thread(target=kill_one)
        killer.start()
        with batched_fits(backend="dask"):
            found = search(**options).fit(*table)
        killer.join()
        assert_same(found.cv_results_, expected.cv_results_)
        assert killed
        assert killed[0] not in cluster.ncores()
