"""Parts shared out to a cluster of dask."""

import os
import signal
import threading
import time

import pytest

from scored_tables import people
from torch_binary_classifier import load, score_table

PARTS = {"part_bytes": 3_000, "max_bad_records": 5, "keep": ["id"]}


@pytest.fixture
def inputs(tmp_path):
    """Return files of all kinds, two records of which are bad."""
    frame = people(2_000, seed=5).astype({"age": object})
    frame.loc[[7, 1_500], "age"] = "old"
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv.gz", index=False)
    people(2_000, seed=6).to_csv(tmp_path / "c.csv", index=False)
    return [tmp_path / name for name in ("a.csv", "b.csv.gz", "c.csv")]


def content(folder):
    """Return all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.filterwarnings("ignore")
class TestDask:
    def test_cluster_writes_the_same_bytes(self, cluster, trained, inputs, tmp_path):
        here, there = tmp_path / "here", tmp_path / "there"
        score_table(load(trained), inputs, here, **PARTS)
        address = cluster.scheduler.address
        summary = score_table(
            load(trained), inputs, there, engine="dask", scheduler=address, **PARTS
        )
        assert summary.n_rejected == 4
        assert content(there) == content(here)

    def test_worker_killed_in_the_middle(self, cluster, trained, inputs, tmp_path):
        here, there = tmp_path / "here", tmp_path / "there"
        score_table(load(trained), inputs, here, **PARTS)
        pids = [*cluster.run(os.getpid).values()]
        done = []

        def kill():
            while not done:
                time.sleep(0.001)
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        summary = score_table(
            load(trained),
            inputs,
            there,
            engine="dask",
            scheduler=cluster.scheduler.address,
            report=lambda n_rows, _: done.append(n_rows),
            **PARTS,
        )
        killer.join()
        assert summary.n_rows == 6_000
        assert len(done) > 30
        assert pids[0] not in cluster.run(os.getpid).values()
        assert content(there) == content(here)

    def test_own_cluster_is_started(self, trained, inputs, tmp_path):
        here, there = tmp_path / "here", tmp_path / "there"
        options = PARTS | {"part_bytes": 30_000}
        score_table(load(trained), inputs, here, **options)
        score_table(load(trained), inputs, there, engine="dask", n_threads=2, **options)
        assert content(there) == content(here)


def test_missing_package_is_named(trained, inputs, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ValueError, match=r"Install torch-binary-classifier\[dask\]"):
        score_table(load(trained), inputs, tmp_path / "out", engine="dask")
