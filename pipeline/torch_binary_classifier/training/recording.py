"""Steps on a GPU, recorded once and replayed; knows CUDA graphs and no networks.

The kernels of a small step end sooner than the next ones are launched. A graph launches
all of them at once. It repeats what was recorded, at the same addresses: a step must
read and write static buffers only, and nothing that it does outside of kernels is
repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

WARM_UP_STEPS = 3  # libraries allocate their workspaces outside of the recording

Step = Callable[[Any], None]


class Recording:
    """A step on one batch, launched as one graph after some launches in pieces."""

    def __init__(self, step: Step, batch: Any) -> None:
        self.step = step
        self.batch = batch
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.n_launches = 0

    def play(self) -> None:
        """Take the step."""
        if self.n_launches < WARM_UP_STEPS:
            self.n_launches += 1
            self._launch()
            return
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.step(self.batch)
        self.graph.replay()

    def _launch(self) -> None:
        """Launch the kernels one by one, on a stream of their own."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.step(self.batch)
        torch.cuda.current_stream().wait_stream(self.stream)


class RecordedSteps:
    """A step on each of some batches, launched as one graph per batch.

    Every call is one step, recording included.
    """

    def __init__(self, step: Step, record: type[Recording] = Recording) -> None:
        self.step = step
        self.record = record
        self.recordings: dict[Any, Recording] = {}

    def __call__(self, batch: Any) -> None:
        """Take the step on a batch; it is told from others by its identity."""
        if batch not in self.recordings:
            self.recordings[batch] = self.record(self.step, batch)
        self.recordings[batch].play()
